@tool
extends Window
# A popup's own window. Not exclusive: the editor stays usable beside it.

const Card := preload("card.gd")
const Dock := preload("dock.gd")

const SIZE := Vector2i(480, 200)
# Of the editor's height; what is higher scrolls.
const MOST := 0.85

var _card: Card
var _dock: Dock


# Shows the window with `card` in it.
func setup(card: Card, dock: Dock) -> void:
	_card = card
	_dock = dock
	title = "PopBridge"
	transient = true
	# The next key is meant for what the person works in, be it in another program.
	unfocusable = dock.is_elsewhere() or dock.is_typing() or not dock.get_window().has_focus()
	var scroll := ScrollContainer.new()
	scroll.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	scroll.follow_focus = true
	scroll.set_anchors_preset(Control.PRESET_FULL_RECT)
	add_child(scroll)
	scroll.add_child(card)
	card.hide_close()
	card.room = EditorInterface.get_base_control().size.y * MOST
	card.size_flags_vertical = Control.SIZE_EXPAND_FILL
	focus_entered.connect(card.guard)
	window_input.connect(_on_input)
	EditorInterface.get_base_control().add_child(self)
	popup_centered(Vector2i(SIZE * EditorInterface.get_editor_scale()))


# As high as the text needs at the window's width, which is known only now.
func fit() -> void:
	size.y = _height()
	move_to_center()
	unfocusable = false
	# What is shown later, such as the tick box, needs room too.
	_card.minimum_size_changed.connect(_grow)


# The person may have moved the window: it goes up only as far as it would reach below the screen.
func _grow() -> void:
	if _height() > size.y:
		size.y = _height()
		var room := _room()
		position.y = maxi(room.position.y + get_theme_constant("title_height"), mini(position.y, room.end.y - size.y))


# What there is for windows: of the editor's own window, in the mode that has all others in it.
func _room() -> Rect2i:
	if is_embedded():
		return Rect2i(Vector2i.ZERO, _dock.get_window().size)
	return DisplayServer.screen_get_usable_rect(current_screen)


func _height() -> int:
	return ceili(minf(_card.get_combined_minimum_size().y, EditorInterface.get_base_control().size.y * MOST))


# As in the editor's own dialogs.
func _on_input(event: InputEvent) -> void:
	if event.is_action_pressed("ui_cancel"):
		if not _dock.get_viewport().gui_get_focus_owner():
			_dock.leave()
		close_requested.emit()
