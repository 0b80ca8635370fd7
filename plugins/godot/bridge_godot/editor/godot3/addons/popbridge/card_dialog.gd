tool
extends WindowDialog
# A popup's own window. Shown, not popped up: the editor stays usable beside it.

const Card = preload("card.gd")

const SIZE = Vector2(480, 200)
# Of the editor's height; what is higher scrolls.
const MOST = 0.85

var _scroll = ScrollContainer.new()


# Shows the window over `base` with `card` in it.
func setup(card: Card, base: Control, editor_scale: float):
	window_title = "PopBridge"
	resizable = true
	base.add_child(self)
	_scroll.scroll_horizontal_enabled = false
	_scroll.follow_focus = true
	add_child(_scroll)
	_scroll.set_anchors_and_margins_preset(Control.PRESET_WIDE)
	_scroll.add_child(card)
	card.hide_close()
	card.room = base.rect_size.y * MOST
	card.size_flags_vertical = SIZE_EXPAND_FILL
	rect_size = SIZE * editor_scale
	rect_position = (base.rect_size - rect_size) / 2
	# Godot 3 follows the focus by where it was before the text had its height.
	card.connect("resized", self, "_show_focused", [], CONNECT_DEFERRED)
	card.connect("escaped", self, "hide")
	show()


# As high as the text needs at the window's width, which is known only now.
func fit(card: Card):
	_grow(card)
	rect_position.y = (get_parent().rect_size.y - rect_size.y) / 2
	# What is shown later, such as the tick box, needs room too.
	card.connect("minimum_size_changed", self, "_grow", [card])


# The person may have moved the window: it goes up only as far as it would reach below the editor's.
func _grow(card: Card):
	var room = get_parent().rect_size.y
	var height = min(card.get_combined_minimum_size().y, room * MOST)
	if height > rect_size.y:
		rect_size.y = height
		rect_position.y = max(get_constant("title_height"), min(rect_position.y, room - height))


func _show_focused():
	var focused = get_focus_owner()
	if focused and _scroll.is_a_parent_of(focused):
		_scroll.ensure_control_visible(focused)
