@tool
extends RefCounted
# What all controls of the panel share: names for screen readers, the Escape key, and fills.

# DisplayServer.AccessibilityLiveMode.LIVE_POLITE
const POLITE := 1


# Names `control` for screen readers. Godot supports them from 4.5 on.
static func label(control: Control, text: String, description := "") -> void:
	if "accessibility_name" in control:
		control.set("accessibility_name", text)
		control.set("accessibility_description", description)


# Has screen readers read out changes of `control` when they are idle.
static func announce(control: Control) -> void:
	if "accessibility_live" in control:
		control.set("accessibility_live", POLITE)


# Whether `event` leaves the panel: in a text field, Escape first ends the editing.
static func is_escape(event: InputEvent, control: Control) -> bool:
	# From 4.4 on a text field keeps the focus when its editing ends.
	var is_edited: bool = control is LineEdit and control.has_method("is_editing") and control.call("is_editing")
	return event.is_action_pressed("ui_cancel") and not is_edited


# `host` contains the controls below: when the theme changes, it has the new one first.
static func card_color(host: Control) -> Color:
	return host.get_theme_color("dark_color_1", "Editor")


# Gives a text field another fill than the card's, which the editor's theme doesn't.
static func fill_line_edit(line: LineEdit, host: Control) -> void:
	var fill := host.get_theme_stylebox("normal", "LineEdit").duplicate() as StyleBoxFlat
	if fill:
		fill.bg_color = host.get_theme_color("base_color", "Editor")
		line.add_theme_stylebox_override("normal", fill)


# Does so for a button if its fill is the card's, as in the themes of Godot 3 and 4.2 to 4.5.
static func fill_button(button: Button, host: Control) -> void:
	var fill := host.get_theme_stylebox("normal", button.get_class()).duplicate() as StyleBoxFlat
	if fill and fill.bg_color.is_equal_approx(card_color(host)):
		fill.bg_color = host.get_theme_color("base_color", "Editor")
		button.add_theme_stylebox_override("normal", fill)
	else:
		button.remove_theme_stylebox_override("normal")
