@tool
extends Container
# A card's buttons in rows. They never widen the card: a label that doesn't fit is cut, and its tooltip has it all.

const LABEL_WIDTH := "label_width"
# The tooltip of a button without a label.
const TOOLTIP := "tooltip"

# Pixels between two buttons.
var gap := 4
# In less width, in pixels, the buttons fill their rows.
var stacking_width := 0.0
# Whether the first one has its own row then.
var is_first_alone := false


# Call this when the container is in the tree: the label's width depends on the editor's font.
func add(button: Button) -> void:
	add_child(button)
	measure(button)


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
		measure(button)
	queue_sort()


# Call this when the button's label has changed.
func measure(button: Button) -> void:
	button.clip_text = false
	button.text_overrun_behavior = TextServer.OVERRUN_NO_TRIMMING
	button.set_meta(LABEL_WIDTH, button.get_combined_minimum_size().x)
	# A clipped label needs no minimum width.
	button.clip_text = true
	button.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	queue_sort()


# Arranges the buttons in the width that is available, and returns the height that they need.
func _arrange(moves: bool) -> float:
	var at := Vector2.ZERO
	for row: Array in _rows():
		var height := 0.0
		for button: Button in row:
			height = maxf(height, button.get_combined_minimum_size().y)
		at.x = 0.0
		for button: Button in row:
			var wanted: float = button.get_meta(LABEL_WIDTH)
			var width := minf(wanted, size.x)
			if size.x < stacking_width and button.text:
				width = wanted + (size.x - _width(row)) / maxi(1, _count_labels(row))
			if moves:
				button.tooltip_text = button.text if width < wanted else str(button.get_meta(TOOLTIP, ""))
				fit_child_in_rect(button, Rect2(at, Vector2(width, height)))
			at.x += width + gap
		at.y += height + gap
	return maxf(0.0, at.y - gap)


# Returns the buttons of each row.
func _rows() -> Array:
	var rows := []
	for button: Button in get_children():
		if rows.is_empty() or _width(rows[-1] + [button]) > size.x or _is_alone(rows):
			rows.append([])
		rows[-1].append(button)
	return rows


func _is_alone(rows: Array) -> bool:
	return is_first_alone and rows.size() == 1 and size.x < stacking_width


func _count_labels(row: Array) -> int:
	var count := 0
	for button: Button in row:
		count += 1 if button.text else 0
	return count


func _width(row: Array) -> float:
	var width := (row.size() - 1) * float(gap)
	for button: Button in row:
		width += button.get_meta(LABEL_WIDTH)
	return width
