@tool
extends Window
# A popup's own window. Not exclusive: the editor stays usable beside it.

const Card := preload("card.gd")
const Dock := preload("dock.gd")

const SIZE := Vector2i(480, 200)

var _dock: Dock


# Shows the window with `card` in it.
func setup(card: Card, dock: Dock) -> void:
	_dock = dock
	title = "PopBridge"
	wrap_controls = true
	transient = true
	# The next key is meant for what the person works in, be it in another program.
	unfocusable = dock.is_elsewhere() or dock.is_typing() or not dock.get_window().has_focus()
	add_child(card)
	card.hide_close()
	card.set_anchors_preset(Control.PRESET_FULL_RECT)
	focus_entered.connect(card.guard)
	window_input.connect(_on_input)
	EditorInterface.get_base_control().add_child(self)
	popup_centered(Vector2i(SIZE * EditorInterface.get_editor_scale()))


# As high as the text needs at the window's width, which is known only now.
func fit() -> void:
	size = Vector2i(size.x, 0)
	move_to_center()
	unfocusable = false


# As in the editor's own dialogs.
func _on_input(event: InputEvent) -> void:
	if event.is_action_pressed("ui_cancel"):
		if not _dock.get_viewport().gui_get_focus_owner():
			_dock.leave()
		close_requested.emit()
