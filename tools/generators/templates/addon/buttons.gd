@tool
extends Container
# A card's buttons in rows. They never widen the card: a label that doesn't fit is cut, and its tooltip has it all.

const LABEL_WIDTH := "label_width"

# Pixels between two buttons.
var gap := 4


# Call this when the container is in the tree: the label's width depends on the editor's font.
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
		# Deferred, because the buttons get the theme's font later.
		call_deferred("_measure_all")


func _measure_all() -> void:
	for button: Button in get_children():
		_measure(button)
	queue_sort()


func _measure(button: Button) -> void:
	button.clip_text = false
	button.text_overrun_behavior = TextServer.OVERRUN_NO_TRIMMING
	button.set_meta(LABEL_WIDTH, button.get_combined_minimum_size().x)
	# A clipped label needs no minimum width.
	button.clip_text = true
	button.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS


# Arranges the buttons in the width that is available, and returns the height that they need.
func _arrange(moves: bool) -> float:
	var at := Vector2.ZERO
	var row := 0.0
	for button: Button in get_children():
		var wanted: float = button.get_meta(LABEL_WIDTH)
		var width := minf(wanted, size.x)
		var height := button.get_combined_minimum_size().y
		if at.x > 0 and at.x + width > size.x:
			at = Vector2(0, at.y + row + gap)
			row = 0.0
		if moves:
			button.tooltip_text = button.text if width < wanted else ""
			fit_child_in_rect(button, Rect2(at, Vector2(width, height)))
		at.x += width + gap
		row = maxf(row, height)
	return at.y + row
