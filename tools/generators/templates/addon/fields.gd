@tool
extends VBoxContainer
# A popup's fields, which can be filled in before a button is pressed.

signal escaped

const Controls := preload("controls.gd")

# name -> {"type", "input"}
var _inputs := {}


# Call this when the container is in the tree: it uses the editor's colours.
func setup(fields: Array) -> void:
	for field: Dictionary in fields:
		var input := _create_input(field)
		_inputs[field.name] = {"type": field.type, "input": input}
		if field.type != "bool":
			var label := Label.new()
			label.text = field.label
			label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
			label.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
			add_child(label)
		add_child(input)
		var focusable: Control = (input as SpinBox).get_line_edit() if input is SpinBox else input
		Controls.label(focusable, field.label)
		focusable.gui_input.connect(_on_input.bind(focusable))
	visible = not fields.is_empty()
	_fill_all()


func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED:
		_fill_all()


# Returns name -> value, in the type that the field declares.
func values() -> Dictionary:
	var result := {}
	for field: String in _inputs:
		result[field] = _value(_inputs[field].type, _inputs[field].input)
	return result


func _fill_all() -> void:
	for field: String in _inputs:
		var input: Control = _inputs[field].input
		if input is SpinBox:
			Controls.fill_line_edit((input as SpinBox).get_line_edit(), self)
		elif input is LineEdit:
			Controls.fill_line_edit(input, self)
		elif input is OptionButton:
			Controls.fill_button(input, self)


func _on_input(event: InputEvent, control: Control) -> void:
	if Controls.is_escape(event, control):
		control.accept_event()
		escaped.emit()


static func _create_input(field: Dictionary) -> Control:
	var value: Variant = field.get("value")
	match field.type:
		"bool":
			var box := CheckBox.new()
			box.text = field.label
			box.tooltip_text = field.label
			box.clip_text = true
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
#if godot4
			choice.fit_to_longest_item = false
#endif
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
			return float((input as SpinBox).value)
		"choice":
			var choice := input as OptionButton
			return choice.text if choice.selected >= 0 else ""
	return (input as LineEdit).text
