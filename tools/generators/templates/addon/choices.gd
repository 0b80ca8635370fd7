@tool
extends VBoxContainer
# What an action would do, line by line, before it is done: each line can be unticked.

# `ids` are those of the ticked lines.
signal confirmed(ids: Array)
signal cancelled
# The height in which nothing scrolls.
signal height_changed

const Buttons := preload("buttons.gd")
const CheckRow := preload("check_row.gd")
const Controls := preload("controls.gd")
const Text := preload("text.gd")

const GAP := 8

var _text: Text
var _scroll := ScrollContainer.new()
var _rows := VBoxContainer.new()
var _buttons := Buttons.new()
var _confirm := Button.new()
var _cancel := Button.new()
# id -> CheckRow
var _boxes := {}


# Call this when the panel is in the tree.
func setup(action: Dictionary, text: Text, editor_scale: float) -> void:
	_text = text
	size_flags_vertical = SIZE_EXPAND_FILL
	add_theme_constant_override("separation", int(GAP * editor_scale))
	_scroll.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	_scroll.size_flags_vertical = SIZE_EXPAND_FILL
	_scroll.follow_focus = true
	_rows.size_flags_horizontal = SIZE_EXPAND_FILL
	_rows.add_theme_constant_override("separation", int(GAP * editor_scale))
	_rows.minimum_size_changed.connect(_on_height_changed)
	_scroll.add_child(_rows)
	add_child(_scroll)
	for choice: Dictionary in action.choices:
		var row := CheckRow.new()
		_rows.add_child(row)
		row.setup(choice.label, choice.get("detail", ""), choice.get("checked", true), null)
		row.toggled.connect(_on_toggled)
		row.escaped.connect(_on_cancelled)
		_boxes[choice.id] = row
	add_child(_buttons)
	_buttons.gap = int(GAP * editor_scale / 2)
	_buttons.add(_confirm)
	_cancel.text = _text.say("Cancel")
	_buttons.add(_cancel)
	_confirm.pressed.connect(_on_confirmed)
	_cancel.pressed.connect(_on_cancelled)
	for button: Button in [_confirm, _cancel]:
		button.gui_input.connect(_on_button_input.bind(button))
	_style()
	_count()


func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and _text:
		_style()


func _style() -> void:
	Controls.fill_primary(_confirm, self)
	Controls.fill_button(_cancel, self)


func focus() -> void:
	_confirm.grab_focus()


# Returns the height in which nothing scrolls. The card sets the least height, which isn't part of it.
func full_height() -> float:
	return get_minimum_size().y + _rows.get_combined_minimum_size().y - _scroll.get_combined_minimum_size().y


func _ids() -> Array:
	var ids := []
	for id: String in _boxes:
		if _boxes[id].box.is_pressed():
			ids.append(id)
	return ids


func _count() -> void:
	var ids := _ids()
	_confirm.text = _text.say("Add 1 rule") if ids.size() == 1 else _text.say("Add {n} rules", {"n": ids.size()})
	_confirm.disabled = ids.is_empty()
	Controls.label(_confirm, _confirm.text)
	_buttons.measure(_confirm)


func _on_height_changed() -> void:
	height_changed.emit()


func _on_toggled(_is_on: bool) -> void:
	_count()


func _on_confirmed() -> void:
	confirmed.emit(_ids())


func _on_cancelled() -> void:
	cancelled.emit()


func _on_button_input(event: InputEvent, button: Button) -> void:
	if Controls.is_escape(event, button):
		button.accept_event()
		cancelled.emit()
