@tool
extends Container
# A card's buttons in rows. They never make the card wider: a label that doesn't fit is cut, and a tooltip has it all.

const WIDTH := "whole_width"

# Between two buttons, pixels.
var gap := 4


# Call it when this is in the tree: the label's width depends on the editor's font.
func add(button: Button) -> void:
	add_child(button)
	_measure(button)


func _get_minimum_size() -> Vector2:
	return Vector2(0, _arrange(false))


func _notification(what: int) -> void:
	if what == NOTIFICATION_SORT_CHILDREN:
		_arrange(true)
		update_minimum_size()
	elif what == NOTIFICATION_THEME_CHANGED:
		# Once the buttons have the theme's font, too.
		_measure_all.call_deferred()


func _measure_all() -> void:
	for button: Button in get_children():
		_measure(button)
	queue_sort()


func _measure(button: Button) -> void:
	button.clip_text = false
	button.text_overrun_behavior = TextServer.OVERRUN_NO_TRIMMING
	button.set_meta(WIDTH, button.get_combined_minimum_size().x)
	# From now on the label asks for no room of its own.
	button.clip_text = true
	button.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS


# Lays the buttons out at the width that there is; gives the height that they take.
func _arrange(moves: bool) -> float:
	var at := Vector2.ZERO
	var row := 0.0
	for button: Button in get_children():
		var wanted: float = button.get_meta(WIDTH)
		var width := minf(wanted, size.x)
		var height := button.get_combined_minimum_size().y
		if at.x > 0 and at.x + width > size.x:
			at = Vector2(0, at.y + row + gap)
			row = 0
		if moves:
			button.tooltip_text = button.text if width < wanted else ""
			fit_child_in_rect(button, Rect2(at, Vector2(width, height)))
		at.x += width + gap
		row = maxf(row, height)
	return at.y + row
