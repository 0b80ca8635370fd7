@tool
extends RefCounted
# The fills of a card and of what lies on it, which are to be told apart. `host` is what has the control in it: when the
# person chooses another theme, the host knows that first.


static func of_card(host: Control) -> Color:
	return host.get_theme_color("dark_color_1", "Editor")


# With the editor's own fill a text field is as dark as the card.
static func raise(line: LineEdit, host: Control) -> void:
	var fill := host.get_theme_stylebox("normal", "LineEdit").duplicate() as StyleBoxFlat
	if fill:
		fill.bg_color = host.get_theme_color("base_color", "Editor")
		line.add_theme_stylebox_override("normal", fill)


# So is a button in the themes of Godot 4.2 to 4.5.
static func set_apart(button: Button, host: Control) -> void:
	var fill := host.get_theme_stylebox("normal", button.get_class()).duplicate() as StyleBoxFlat
	if fill and fill.bg_color.is_equal_approx(of_card(host)):
		fill.bg_color = host.get_theme_color("base_color", "Editor")
		button.add_theme_stylebox_override("normal", fill)
	else:
		button.remove_theme_stylebox_override("normal")
