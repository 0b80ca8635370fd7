@tool
extends Window
# A popup's own window. It isn't modal: the editor stays usable beside it.

const Card := preload("card.gd")
const Dock := preload("dock.gd")

const SIZE := Vector2i(480, 200)
# Of the editor's height; a higher card scrolls.
const MAX_HEIGHT := 0.85

var _card: Card
var _dock: Dock
var _base: Control


# Shows the window over `base` with `card` in it.
func setup(card: Card, dock: Dock, base: Control, editor_scale: float) -> void:
	_card = card
	_dock = dock
	_base = base
	title = "PopBridge"
	transient = true
	# The next key is meant for what the person works in, even in another program.
	unfocusable = dock.is_elsewhere() or dock.is_typing() or not dock.get_window().has_focus()
	var scroll := ScrollContainer.new()
	scroll.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	scroll.follow_focus = true
	scroll.set_anchors_preset(Control.PRESET_FULL_RECT)
	add_child(scroll)
	scroll.add_child(card)
	card.hide_close()
	card.set_room(base.size.y * MAX_HEIGHT)
	card.size_flags_vertical = Control.SIZE_EXPAND_FILL
	focus_entered.connect(card.guard)
	window_input.connect(_on_input)
	base.add_child(self)
	popup_centered(Vector2i(SIZE * editor_scale))


# Adapts the height to the text at the window's width, which is known only now.
func fit() -> void:
	size.y = _height()
	move_to_center()
	unfocusable = false
	# What appears later, such as the checkbox, needs room, too.
	_card.minimum_size_changed.connect(_grow)


# The person may have moved the window: it moves up only if it would reach below the screen.
func _grow() -> void:
	if _height() > size.y:
		size.y = _height()
		var room := _room()
		position.y = maxi(room.position.y + get_theme_constant("title_height"), mini(position.y, room.end.y - size.y))


# Returns the area for windows: the editor's own window in single-window mode, otherwise the screen.
func _room() -> Rect2i:
	if is_embedded():
		return Rect2i(Vector2i.ZERO, _dock.get_window().size)
	return DisplayServer.screen_get_usable_rect(current_screen)


func _height() -> int:
	return ceili(minf(_card.get_combined_minimum_size().y, _base.size.y * MAX_HEIGHT))


# Escape closes the window, as in the editor's own dialogs.
func _on_input(event: InputEvent) -> void:
	if event.is_action_pressed("ui_cancel"):
		if not _dock.get_viewport().gui_get_focus_owner():
			_dock.leave()
		close_requested.emit()
