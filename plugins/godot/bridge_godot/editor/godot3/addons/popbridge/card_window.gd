tool
extends WindowDialog
# A popup's own window. It isn't modal: the editor stays usable beside it.

signal close_requested()

const Card = preload("card.gd")
const Dock = preload("dock.gd")

const SIZE = Vector2(480, 200)
# Of the editor's height; a higher card scrolls.
const MAX_HEIGHT = 0.85

var _card: Card
var _scroll = ScrollContainer.new()


# Shows the window over `base` with `card` in it.
func setup(card: Card, _dock: Dock, base: Control, editor_scale: float):
	_card = card
	window_title = "PopBridge"
	resizable = true
	base.add_child(self)
	_scroll.scroll_horizontal_enabled = false
	_scroll.follow_focus = true
	add_child(_scroll)
	_scroll.set_anchors_and_margins_preset(Control.PRESET_WIDE)
	_scroll.add_child(card)
	card.hide_close()
	card.set_room(base.rect_size.y * MAX_HEIGHT)
	card.size_flags_vertical = SIZE_EXPAND_FILL
	rect_size = SIZE * editor_scale
	rect_position = (base.rect_size - rect_size) / 2
	# Godot 3 scrolls to where the focused control was before the text had its height.
	card.connect("resized", self, "_show_focused", [], CONNECT_DEFERRED)
	card.connect("escaped", self, "hide")
	connect("hide", self, "emit_signal", ["close_requested"])
	# Not popped up: that would be modal.
	show()


# Adapts the height to the text at the window's width, which is known only now.
func fit():
	_grow()
	rect_position.y = (get_parent().rect_size.y - rect_size.y) / 2
	# What appears later, such as the checkbox, needs room, too.
	_card.connect("minimum_size_changed", self, "_grow")


# The person may have moved the window: it moves up only if it would reach below the editor's.
func _grow():
	var room = get_parent().rect_size.y
	var height = min(_card.get_combined_minimum_size().y, room * MAX_HEIGHT)
	if height > rect_size.y:
		rect_size.y = height
		rect_position.y = max(get_constant("title_height"), min(rect_position.y, room - height))


func _show_focused():
	var focused = get_focus_owner()
	if focused and _scroll.is_a_parent_of(focused):
		_scroll.ensure_control_visible(focused)
