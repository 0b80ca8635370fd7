@tool
extends RefCounted
# What all controls of the panel share: names for screen readers, the Escape key, and fills.

# DisplayServer.AccessibilityLiveMode.LIVE_POLITE
const POLITE := 1
# Least contrast of text in WCAG 2.2, AA.
const MIN_CONTRAST := 4.5


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


# Gives the one button of a view that does what the card is about the accent colour.
static func fill_primary(button: Button, host: Control) -> void:
	var accent := host.get_theme_color("accent_color", "Editor")
	for state: String in ["normal", "hover", "pressed", "focus"]:
		var fill := host.get_theme_stylebox("normal", "Button").duplicate() as StyleBoxFlat
		if fill:
			fill.bg_color = accent.darkened(0.45 if state != "hover" else 0.3)
			fill.border_color = accent
			fill.set_border_width_all(1 if state == "focus" else 0)
			button.add_theme_stylebox_override(state, fill)
	for state: String in ["font_color", "font_hover_color", "font_focus_color", "font_pressed_color"]:
		button.add_theme_color_override(state, Color.WHITE)


# Returns `color`, mixed with the text's colour until it can be read on `ground`.
static func readable(color: Color, ground: Color, text: Color) -> Color:
	for step: int in 10:
		var mixed := color.lerp(text, step / 10.0)
		if contrast(mixed, ground) >= MIN_CONTRAST:
			return mixed
	return text


# Returns the contrast of two opaque colours, 1 to 21, as WCAG 2.2 defines it.
static func contrast(one: Color, other: Color) -> float:
	var lights := []
	for color: Color in [one, other]:
		var light := 0.0
		var channels := [[color.r, 0.2126], [color.g, 0.7152], [color.b, 0.0722]]
		for channel: Array in channels:
			var value: float = channel[0]
			light += channel[1] * (value / 12.92 if value <= 0.04045 else pow((value + 0.055) / 1.055, 2.4))
		lights.append(light)
	return (maxf(lights[0], lights[1]) + 0.05) / (minf(lights[0], lights[1]) + 0.05)
