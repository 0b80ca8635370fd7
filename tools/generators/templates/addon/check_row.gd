@tool
extends HBoxContainer
# A checkbox with a line that wraps and a second one below it. An icon takes the box's place where nothing can be ticked.

signal toggled(is_on: bool)
signal escaped

const Controls := preload("controls.gd")

const DETAIL_OPACITY := 0.75

var box := CheckBox.new()

var _icon := TextureRect.new()
var _title := Label.new()
var _detail := Label.new()


# `icon` takes the box's place; null for a box.
func setup(title: String, detail: String, is_on: bool, icon: Texture2D) -> void:
	box.visible = icon == null
	box.button_pressed = is_on
	box.size_flags_vertical = SIZE_SHRINK_BEGIN
	box.toggled.connect(_on_toggled)
	box.gui_input.connect(_on_box_input)
	Controls.label(box, title, detail)
	add_child(box)
	_icon.texture = icon
	_icon.visible = icon != null
	_icon.size_flags_vertical = SIZE_SHRINK_BEGIN
	add_child(_icon)
	var lines := VBoxContainer.new()
	lines.size_flags_horizontal = SIZE_EXPAND_FILL
	lines.add_theme_constant_override("separation", 0)
	_title.text = title
	_detail.text = detail
	_detail.visible = detail != ""
	_detail.modulate.a = DETAIL_OPACITY
	for line: Label in [_title, _detail]:
		line.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
		line.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
		lines.add_child(line)
	add_child(lines)
	# As with the editor's own checkboxes, a click on the text ticks.
	lines.mouse_filter = MOUSE_FILTER_PASS
	gui_input.connect(_on_input)
	if icon == null:
		mouse_default_cursor_shape = CURSOR_POINTING_HAND


# Shows the tick without emitting `toggled`.
func show_tick(is_on: bool) -> void:
	box.set_block_signals(true)
	box.button_pressed = is_on
	box.set_block_signals(false)


func _on_toggled(is_on: bool) -> void:
	toggled.emit(is_on)


func _on_input(event: InputEvent) -> void:
	if event is InputEventMouseButton and event.pressed and event.button_index == MOUSE_BUTTON_LEFT and box.visible:
		box.button_pressed = not box.is_pressed()
		accept_event()


func _on_box_input(event: InputEvent) -> void:
	if Controls.is_escape(event, box):
		box.accept_event()
		escaped.emit()
