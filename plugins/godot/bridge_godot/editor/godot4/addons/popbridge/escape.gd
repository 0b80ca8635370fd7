@tool
extends RefCounted
# What Escape does in a control of the panel, as in the editor's own: it first ends what is being typed.


static func watch(control: Control, leave: Callable) -> void:
	control.gui_input.connect(_on_input.bind(control, leave))


static func _on_input(event: InputEvent, control: Control, leave: Callable) -> void:
	if event.is_action_pressed("ui_cancel") and not _is_edited(control):
		control.accept_event()
		leave.call()


# From 4.4 a text field keeps the focus when its editing ends.
static func _is_edited(control: Control) -> bool:
	return control is LineEdit and control.has_method("is_editing") and control.call("is_editing")
