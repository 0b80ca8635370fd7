tool
extends WindowDialog
# A popup's own window. Shown, not popped up: the editor stays usable beside it.

const Card = preload("card.gd")

const SIZE = Vector2(480, 200)


# Shows the window over `base` with `card` in it.
func setup(card: Card, base: Control, editor_scale: float):
	window_title = "PopBridge"
	resizable = true
	base.add_child(self)
	add_child(card)
	card.hide_close()
	card.set_anchors_and_margins_preset(Control.PRESET_WIDE)
	rect_size = SIZE * editor_scale
	rect_position = (base.rect_size - rect_size) / 2
	card.connect("escaped", self, "hide")
	show()


func fit(card: Card):
	rect_size.y = max(rect_size.y, card.get_combined_minimum_size().y)
	# What became higher would reach below the screen.
	rect_position.y = max(get_constant("title_height", "WindowDialog"), (get_parent().rect_size.y - rect_size.y) / 2)
	# What is shown later, such as the tick box, needs room too.
	if not card.is_connected("minimum_size_changed", self, "fit"):
		card.connect("minimum_size_changed", self, "fit", [card])
