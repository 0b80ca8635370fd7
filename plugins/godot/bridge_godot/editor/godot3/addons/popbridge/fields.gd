tool
extends VBoxContainer
# A popup's fields: what the person may fill in before pressing a button.

signal escaped()

var _inputs = {}


# Call it when this is in the tree: it takes the editor's colours from there.
func setup(fields: Array):
	for field in fields:
		var input = _input_for(field)
		_inputs[field.name] = {"type": field.type, "input": input}
		if field.type != "bool":
			var label = Label.new()
			label.text = field.label
			label.autowrap = true
			label.add_stylebox_override("normal", StyleBoxEmpty.new())
			add_child(label)
		add_child(input)
		var focused = input.get_line_edit() if input is SpinBox else input
		focused.connect("gui_input", self, "_on_key")
	visible = not fields.empty()
	_fill_all()


func _notification(what: int):
	if what == NOTIFICATION_THEME_CHANGED:
		_fill_all()


# name -> value, in the type that the field names.
func values() -> Dictionary:
	var filled = {}
	for name in _inputs:
		filled[name] = _value(_inputs[name].type, _inputs[name].input)
	return filled


# With the editor's own fill they couldn't be told from the card's ground.
func _fill_all():
	for name in _inputs:
		var input = _inputs[name].input
		if input is SpinBox:
			_fill(input.get_line_edit(), "LineEdit")
		elif not input is CheckBox:
			_fill(input, input.get_class())


func _fill(input: Control, type: String):
	var fill = get_stylebox("normal", type).duplicate()
	if fill is StyleBoxFlat:
		fill.bg_color = get_color("base_color", "Editor")
		input.add_stylebox_override("normal", fill)


func _on_key(event: InputEvent):
	if event.is_action_pressed("ui_cancel"):
		accept_event()
		emit_signal("escaped")


func _input_for(field: Dictionary) -> Control:
	var value = field.get("value")
	match field.type:
		"bool":
			var box = CheckBox.new()
			box.text = field.label
			box.hint_tooltip = field.label
			box.clip_text = true
			box.pressed = value == true
			return box
		"int", "float":
			var spin = SpinBox.new()
			spin.allow_greater = true
			spin.allow_lesser = true
			spin.step = 1.0 if field.type == "int" else 0.001
			spin.value = value if value != null else 0
			return spin
		"choice":
			var choice = OptionButton.new()
			choice.clip_text = true
			for option in field.get("options", []):
				choice.add_item(option)
				if option == value:
					choice.select(choice.get_item_count() - 1)
			return choice
	var line = LineEdit.new()
	line.text = str(value) if value != null else ""
	return line


func _value(type: String, input: Control):
	match type:
		"bool":
			return input.pressed
		"int":
			return int(input.value)
		"float":
			return float(input.value)
		"choice":
			return input.get_item_text(input.selected) if input.selected >= 0 else null
	return input.text
