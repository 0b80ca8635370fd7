@tool
extends VBoxContainer
# A popup's fields: what the person may fill in before pressing a button.

signal escaped

const Accessible := preload("accessible.gd")
const Escape := preload("escape.gd")
const Fill := preload("fill.gd")

var _inputs := {}


# Call it when this is in the tree: it takes the editor's colours from there.
func setup(fields: Array) -> void:
	for field: Dictionary in fields:
		var input := _input_for(field)
		_inputs[field.name] = {"type": field.type, "input": input}
		if field.type != "bool":
			var label := Label.new()
			label.text = field.label
			label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
			label.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
			add_child(label)
		add_child(input)
		var focused: Control = (input as SpinBox).get_line_edit() if input is SpinBox else input
		Accessible.label(focused, field.label)
		Escape.watch(focused, _on_escape)
	visible = not fields.is_empty()
	_fill_all()


func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED:
		_fill_all()


# name -> value, in the type that the field names.
func values() -> Dictionary:
	var filled := {}
	for field: String in _inputs:
		filled[field] = _value(_inputs[field].type, _inputs[field].input)
	return filled


func _fill_all() -> void:
	for field: String in _inputs:
		var input: Control = _inputs[field].input
		if input is SpinBox:
			Fill.raise((input as SpinBox).get_line_edit(), self)
		elif input is LineEdit:
			Fill.raise(input, self)
		elif input is OptionButton:
			Fill.set_apart(input, self)


# Before 4.3 a signal's `emit` is no Callable, and a script that takes it for one doesn't load.
func _on_escape() -> void:
	escaped.emit()


static func _input_for(field: Dictionary) -> Control:
	var value: Variant = field.get("value")
	match field.type:
		"bool":
			var box := CheckBox.new()
			box.text = field.label
			box.tooltip_text = field.label
			box.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
			box.button_pressed = value is bool and value
			return box
		"int", "float":
			var spin := SpinBox.new()
			spin.allow_greater = true
			spin.allow_lesser = true
			spin.step = 1.0 if field.type == "int" else 0.001
			spin.value = float(value) if value is int or value is float else 0.0
			return spin
		"choice":
			var choice := OptionButton.new()
			choice.fit_to_longest_item = false
			choice.clip_text = true
			for option: String in field.get("options", []):
				choice.add_item(option)
				if option == str(value):
					choice.select(choice.item_count - 1)
			return choice
	var line := LineEdit.new()
	line.text = "" if value == null else str(value)
	return line


static func _value(type: String, input: Control) -> Variant:
	match type:
		"bool":
			return (input as CheckBox).button_pressed
		"int":
			return int((input as SpinBox).value)
		"float":
			return (input as SpinBox).value
		"choice":
			var choice := input as OptionButton
			return choice.text if choice.selected >= 0 else ""
	return (input as LineEdit).text
