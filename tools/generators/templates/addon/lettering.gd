@tool
extends RefCounted
# Text in one font, for controls that draw their rows: measures, wraps, shortens and draws it.

const ELLIPSIS := "…"
# A line may end after these.
const BREAKS := " /_-›→"
# From this character on, as in Chinese, a line may end after each.
const FIRST_CJK := 0x2E80

var _font: Font
var _size := 0


func _init(font: Font, font_size: int) -> void:
	_font = font
	_size = font_size


#if godot4
func width(text: String) -> float:
	return _font.get_string_size(text, HORIZONTAL_ALIGNMENT_LEFT, -1, _size).x


func height() -> float:
	return ceilf(_font.get_height(_size))


# Draws one line on `canvas`; `at` is its upper left corner.
func draw(canvas: CanvasItem, at: Vector2, text: String, color: Color) -> void:
	var baseline := (at + Vector2(0, _font.get_ascent(_size))).round()
	canvas.draw_string(_font, baseline, text, HORIZONTAL_ALIGNMENT_LEFT, -1, _size, color)
#else
func width(text: String):
	return _font.get_string_size(text).x


func height():
	return ceil(_font.get_height())


# Draws one line on `canvas`; `at` is its upper left corner.
func draw(canvas: CanvasItem, at: Vector2, text: String, color: Color):
	canvas.draw_string(_font, (at + Vector2(0, _font.get_ascent())).round(), text, color)
#endif


# Returns at most `max_lines` lines of at most `room` pixels; the last one is shortened if there is more.
func wrap(text: String, room: float, max_lines: int) -> Array:
	if text == "":
		return []
	if width(text) <= room:
		return [text]
	var lines := []
	var line := ""
	for word: String in _words(text):
		if line == "" or lines.size() == max_lines - 1 or width((line + word).strip_edges(false)) <= room:
			line += word
		else:
			lines.append(line)
			line = word
	lines.append(line)
	for i: int in lines.size():
		lines[i] = shorten(lines[i].strip_edges(), room)
	return lines


# Returns `text`, or as much of its start as fits.
func shorten(text: String, room: float) -> String:
	return text if width(text) <= room else text.left(_fitting(text, room, false)) + ELLIPSIS


# Returns `text`, or as much of its end as fits: what an option becomes is at the end.
func shorten_start(text: String, room: float) -> String:
	if width(text) <= room:
		return text
	return ELLIPSIS + text.substr(text.length() - _fitting(text, room, true))


# Returns how many characters fit beside the ellipsis.
func _fitting(text: String, room: float, is_end: bool) -> int:
	var fits := 0
	var too_many := text.length()
	while fits + 1 < too_many:
		var count := (fits + too_many) >> 1
		var part := text.substr(text.length() - count) if is_end else text.left(count)
		if width(part + ELLIPSIS) <= room:
			fits = count
		else:
			too_many = count
	return fits


static func _words(text: String) -> Array:
	var words := []
	var start := 0
	for i: int in text.length():
		if text.substr(i, 1) in BREAKS or text.unicode_at(i) >= FIRST_CJK:
			words.append(text.substr(start, i + 1 - start))
			start = i + 1
	words.append(text.substr(start))
	return words
