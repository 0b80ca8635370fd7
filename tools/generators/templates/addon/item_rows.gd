@tool
extends Tree
# A popup's items as rows with checkboxes: groups, and below an open one its textures. Rows are created when they are
# needed, a few in each frame, and only visible ones load their pictures.

# A texture is to be shown with its changes.
signal texture_opened(id: String)
signal escaped
# The height of all rows.
signal height_changed

const Controls := preload("controls.gd")
const ItemModel := preload("item_model.gd")
const Lettering := preload("lettering.gd")
const Loader := preload("loader.gd")
const Text := preload("text.gd")

# Milliseconds of a frame for new rows.
const BUDGET_MS := 4
# More rows than are visible: those exist before the next key comes.
const FIRST_ROWS := 32
const GAP := 6
const PAD := 5
const INDENT := 10
const THUMB := 36
const ICON := 16
# The first pictures of a group, below its text.
const STRIP_THUMB := 24
const STRIP_COUNT := 5
# From this width on there is room for a third line and for the strip.
const WIDE := 300
const MAX_TITLE_LINES := 3
const MAX_DETAIL_LINES := 2
const MAX_REASON_LINES := 4
# Less of a folder's end than this isn't shown beside a value.
const MIN_FOLDER := 60
# The layout of all textures that have nothing special to say.
const TEXTURES := ""
const MAX_TRIES := 20
# From 4.5 on Godot draws these over rows that are drawn by a script, so they are drawn here.
const STYLES := ["selected", "selected_focus", "hovered", "hovered_dimmed", "hovered_selected",
		"hovered_selected_focus", "cursor", "cursor_unfocused", "bg_focus", "focus"]
const DETAIL_OPACITY := 0.75
const GUIDE_OPACITY := 0.12
const MIXED_WIDTH := 0.5
const SEVERITY_ICONS := {"error": "StatusError", "warning": "StatusWarning", "note": "NodeInfo"}
const SEVERITY_COLORS := {"error": "error_color", "warning": "warning_color", "note": "accent_color"}
const STATUS_ICONS := {
	"pending": "Progress1", "done": "StatusSuccess", "failed": "StatusError", "kept": "StatusWarning",
}

var _model: ItemModel
var _loader: Loader
var _text: Text
var _scale := 1.0
var _plain: Lettering
var _bold: Lettering
var _color := Color.WHITE
var _ground := Color.WHITE
# id -> TreeItem of the rows that exist.
var _rows := {}
# id -> {"height", "title", "detail", "reason"} at the present width; the texts are divided into lines.
var _layouts := {}
var _layout_width := 0.0
# Open groups: id -> true.
var _open := {}
# Groups with rows to create, and the next one's index: [id, index].
var _unbuilt := []
# What to select and where to scroll to when the rows exist, and the frames in which that is tried: the scroll bar learns
# of new rows when they are drawn.
var _wanted := {}
var _tries := 0
var _scroll_bar: VScrollBar
var _is_locked := false
var _is_styling := false


# Call this when the list is in the tree: it uses the editor's fonts and colours.
func setup(loader: Loader, text: Text, editor_scale: float) -> void:
	_loader = loader
	_text = text
	_scale = editor_scale
	hide_root = true
	hide_folding = true
	select_mode = SELECT_ROW
	size_flags_horizontal = SIZE_EXPAND_FILL
	size_flags_vertical = SIZE_EXPAND_FILL
	clip_contents = true
#if godot4
	scroll_horizontal_enabled = false
#endif
	_scroll_bar = _find_scroll_bar()
	loader.picture_loaded.connect(queue_redraw)
	gui_input.connect(_on_input)
	_style()


# Shows `model`, which is read. `earlier` is the state of an earlier list: the same rows are open.
func show_items(model: ItemModel, earlier: Dictionary) -> void:
	if _model:
		_model.changed.disconnect(queue_redraw)
	_model = model
	_model.changed.connect(queue_redraw)
	clear()
	_rows.clear()
	_layouts.clear()
	_open.clear()
	_unbuilt.clear()
	create_item()
	for id: String in _model.roots:
		_add_row(id, get_root())
	var open: Array = earlier.get("open", _model.roots if _model.roots.size() == 1 else [])
	for id: String in open:
		# Ids belong to one popup: here it may be a texture's.
		if _model.has(id) and _is_group(id):
			_set_open(id, true)
	_wanted = earlier
	_tries = MAX_TRIES
	set_process(true)
	_select("")
	height_changed.emit()


# Returns which rows are open and where the list is.
func state() -> Dictionary:
	return {"open": _open.keys(), "scroll": _scroll_bar.value, "selected": selected()}


# Nothing can be ticked any more.
func lock() -> void:
	_is_locked = true
	queue_redraw()


# Returns the id of the selected row, or an empty string.
func selected() -> String:
	return get_selected().get_metadata(0) if get_selected() else ""


# Selects the row and opens the group around it.
func reveal(id: String) -> void:
	if _model.parent(id) != "":
		_set_open(_model.parent(id), true)
		_build(-1)
	_select(id)


# Returns the height in which nothing scrolls.
func full_height() -> float:
	var height := _frame_height()
	for id: String in _model.roots:
		height += _layout(id).height
		var children := _model.children(id)
		if _open.has(id):
			for child: Dictionary in children:
				height += _layout(child.id).height
	return height


func _style() -> void:
	_is_styling = true
#if godot4
	_plain = Lettering.new(get_theme_font("font", "Label"), get_theme_font_size("font_size", "Label"))
	_bold = Lettering.new(get_theme_font("bold", "EditorFonts"), get_theme_font_size("font_size", "Label"))
#else
	_plain = Lettering.new(get_font("font", "Label"), 0)
	_bold = Lettering.new(get_font("bold", "EditorFonts"), 0)
#endif
	_color = get_theme_color("font_color", "Label")
	_ground = Controls.card_color(self)
	# Rows have their own height; nothing is added to it.
	for constant: String in ["v_separation", "vseparation", "item_margin", "draw_relationship_lines", "draw_guides",
			"inner_item_margin_top", "inner_item_margin_bottom"]:
		add_theme_constant_override(constant, 0)
	for part: String in STYLES + ["panel"]:
		add_theme_stylebox_override(part, StyleBoxEmpty.new())
	_is_styling = false
	_lay_out_again()


func _process(_delta: float) -> void:
	_build(Time.get_ticks_msec() + BUDGET_MS)
	if _unbuilt.is_empty() and _tries > 0:
		_restore()
	set_process(not _unbuilt.is_empty() or _tries > 0)


func _restore() -> void:
	if _tries == MAX_TRIES and _rows.has(_wanted.get("selected", "")):
		_rows[_wanted.selected].select(0)
	_tries -= 1
	var scroll: float = _wanted.get("scroll", 0.0)
	_scroll_bar.value = scroll
	if absf(_scroll_bar.value - scroll) < 1.0 and _tries < MAX_TRIES - 1:
		_tries = 0


func _notification(what: int) -> void:
	if what == NOTIFICATION_RESIZED and _model and absf(_width() - _layout_width) > 0.5:
		_lay_out_again()
	elif what == NOTIFICATION_THEME_CHANGED and _model and not _is_styling:
		_style()


# Creates rows until the deadline, in milliseconds since the editor's start; -1 for none. `least` are created after it,
# too.
func _build(deadline: int, least := 0) -> void:
	while not _unbuilt.is_empty():
		var next: Array = _unbuilt[0]
		var children := _model.children(next[0])
		if next[1] == children.size():
			_unbuilt.pop_front()
			continue
		_add_row(children[next[1]].id, _rows[next[0]])
		next[1] += 1
		least -= 1
		if deadline >= 0 and least <= 0 and Time.get_ticks_msec() >= deadline:
			return


func _add_row(id: String, around: TreeItem) -> void:
	var row := create_item(around)
	_rows[id] = row
	row.set_metadata(0, id)
	row.set_cell_mode(0, TreeItem.CELL_MODE_CUSTOM)
#if godot4
	if row.has_method("set_custom_draw_callback"):
		row.call("set_custom_draw_callback", 0, _draw_row)
	else:
		row.set_custom_draw(0, self, "_draw_row")
	if row.has_method("set_description"):
		row.call("set_description", 0, _description(id))
#else
	row.set_custom_draw(0, self, "_draw_row")
#endif
	row.set_tooltip_text(0, _tooltip(id))
	row.set_collapsed(not _open.has(id))
	row.set_custom_minimum_height(int(_layout(id).height))


func _lay_out_again() -> void:
	_layout_width = _width()
	_layouts.clear()
	for id: String in _rows:
		_rows[id].set_custom_minimum_height(int(_layout(id).height))
	if _model:
		height_changed.emit()


# Returns how the row is divided into lines at the present width.
func _layout(id: String) -> Dictionary:
	var kind := TEXTURES if _is_texture(id) and not _has_reason(id) else id
	if not _layouts.has(kind):
		_layouts[kind] = _lay_out_texture(id) if _is_texture(id) else _lay_out(id)
	return _layouts[kind]


func _lay_out_texture(id: String) -> Dictionary:
	var reason := []
	if _has_reason(id):
		reason = _plain.wrap(_model.item(id).get("detail", ""), _texture_right(id) - _texture_left(id), MAX_REASON_LINES)
	var lines := 1 + reason.size() if _has_reason(id) else (3 if _is_wide() else 2)
	return {"height": ceilf(maxf(lines * _plain.height(), THUMB * _scale) + 2 * PAD * _scale), "reason": reason}


func _lay_out(id: String) -> Dictionary:
	var item := _model.item(id)
	var room := _width() - _text_left(id) - PAD * _scale
	if _is_group(id):
		room -= _arrow(id).get_width() + GAP * _scale
	var title := _bold.wrap(item.title, room, MAX_TITLE_LINES)
	var about: String = item.get("locked", "") if item.get("locked", "") else item.get("detail", "")
	var detail := _plain.wrap(about, room, MAX_DETAIL_LINES)
	var value: String = item.get("value", "")
	var height := title.size() * _bold.height() + detail.size() * _plain.height()
	if item.has("severity"):
		height += _plain.height()
	elif value:
		height += _plain.height()
	if _has_strip(id):
		height += (STRIP_THUMB + GAP) * _scale
	return {"height": ceilf(height + 2 * PAD * _scale), "title": title, "detail": detail}


# Draws a row; `rect` is its place in the list.
func _draw_row(row: TreeItem, rect: Rect2) -> void:
	var id: String = row.get_metadata(0)
	if row == get_selected():
		var host := get_parent_control()
		var style := host.get_theme_stylebox("selected_focus" if has_focus() else "selected", "Tree")
		draw_style_box(style, Rect2(0, rect.position.y, _width(), rect.size.y))
	var top := rect.position.y + PAD * _scale
	var first_line := _plain.height()
	if _is_texture(id):
		first_line = rect.size.y - 2 * PAD * _scale
	var center := top + first_line / 2
	_draw_box(id, Vector2(_box_left(id), center))
	if _is_texture(id):
		_draw_texture_row(id, rect)
	else:
		_draw_other_row(id, rect, top)
	if _model.parent(id) == "" and id != _model.roots[0]:
		var guide := Color(_color.r, _color.g, _color.b, GUIDE_OPACITY)
		draw_line(Vector2(0, rect.position.y), Vector2(_width(), rect.position.y), guide)


func _draw_box(id: String, center: Vector2) -> void:
	var icon := _row_icon(id)
	var at := (center - Vector2(0, icon.get_height() / 2.0)).round()
	draw_texture(icon, at, Color(1, 1, 1, 0.5 if _is_locked else 1.0))
	if _model.is_checkable(id) and _model.tick(id) == ItemModel.MIXED and not _has_icon("indeterminate", "Tree"):
		var bar := icon.get_size() * Vector2(MIXED_WIDTH, 0.125)
		draw_rect(Rect2(at + (icon.get_size() - bar) / 2, bar), get_theme_color("accent_color", "Editor"))


func _draw_other_row(id: String, rect: Rect2, top: float) -> void:
	var item := _model.item(id)
	var left := _text_left(id)
	var right := _width() - PAD * _scale
	var y := top
	if _is_group(id):
		var arrow := _arrow(id)
		right -= arrow.get_width()
		draw_texture(arrow, Vector2(right, top + (_plain.height() - arrow.get_height()) / 2).round())
		right -= GAP * _scale
	var value: String = item.get("value", "")
	if item.has("severity"):
		var color := _severity_color(item.severity)
		_draw_severity(item.severity, Vector2(left + ICON * _scale / 2, y + _plain.height() / 2), color)
		var word := _severity_word(item.severity)
		var word_left := left + (ICON + GAP) * _scale
		_bold.draw(self, Vector2(word_left, y), word, color)
		var room := right - word_left - _bold.width(word) - GAP * _scale
		var shown := _plain.shorten(value, room)
		_plain.draw(self, Vector2(right - _plain.width(shown), y), shown, _dim())
		y += _plain.height()
	var layout := _layout(id)
	for line: String in layout.title:
		_bold.draw(self, Vector2(left, y), line, _color)
		y += _bold.height()
	for line: String in layout.detail:
		_plain.draw(self, Vector2(left, y), line, _dim())
		y += _plain.height()
	if value and not item.has("severity"):
		_plain.draw(self, Vector2(left, y), _plain.shorten(value, right - left), _dim())
		y += _plain.height()
	if _has_strip(id):
		_draw_strip(id, Vector2(left, rect.end.y - (PAD + STRIP_THUMB) * _scale), right)


# Godot 3 has no icon for notes.
func _draw_severity(severity: String, middle: Vector2, color: Color) -> void:
	var icon_name: String = SEVERITY_ICONS.get(severity, "NodeInfo")
	if _has_icon(icon_name, "EditorIcons"):
		var icon := _icon(icon_name)
		draw_texture(icon, (middle - icon.get_size() / 2).round())
		return
	draw_circle(middle, ICON * _scale / 2, color)
	var letter := Vector2(_bold.width("i"), _bold.height())
	_bold.draw(self, middle - letter / 2, "i", _ground)


func _draw_strip(id: String, at: Vector2, right: float) -> void:
	var children := _model.children(id)
	var step := (STRIP_THUMB + 3) * _scale
	var more_width := _plain.width("+000") + GAP * _scale
	var count := mini(mini(STRIP_COUNT, children.size()), int((right - at.x - more_width) / step))
	for i: int in count:
		_draw_thumb(children[i], Rect2(at + Vector2(i * step, 0), Vector2(STRIP_THUMB, STRIP_THUMB) * _scale))
	if children.size() > count:
		var middle := (STRIP_THUMB * _scale - _plain.height()) / 2
		_plain.draw(self, at + Vector2(count * step + GAP * _scale / 2, middle), "+%d" % (children.size() - count), _dim())


func _draw_texture_row(id: String, rect: Rect2) -> void:
	var item := _model.item(id)
	var side := THUMB * _scale
	var top := Vector2(_text_left(id), rect.position.y + (rect.size.y - side) / 2).round()
	_draw_thumb(item, Rect2(top, Vector2(side, side)))
	var arrow := _arrow(id)
	var left := _texture_left(id)
	var right := _texture_right(id)
	var middle := rect.position.y + (rect.size.y - arrow.get_height()) / 2
	draw_texture(arrow, Vector2(right + GAP * _scale, middle).round())
	var reason: Array = _layout(id).reason
	var lines := 1 + reason.size() if _has_reason(id) else (3 if _is_wide() else 2)
	var y := rect.position.y + (rect.size.y - lines * _plain.height()) / 2
	var value: String = item.get("value", "")
	var title_right := right
	if _is_wide():
		_plain.draw(self, Vector2(right - _plain.width(value), y), value, _dim())
		title_right -= _plain.width(value) + (GAP * _scale if value else 0.0)
	_bold.draw(self, Vector2(left, y), _bold.shorten(item.title, title_right - left), _color)
	y += _plain.height()
	for line: String in reason:
		_plain.draw(self, Vector2(left, y), line, _color)
		y += _plain.height()
	if not reason.is_empty():
		return
	# What was changed, from its start; a folder is shown by its end.
	if item.get("status", "") == "done":
		for line: String in _plain.wrap(item.get("detail", ""), right - left, lines - 1):
			_plain.draw(self, Vector2(left, y), line, _color)
			y += _plain.height()
		return
	_plain.draw(self, Vector2(left, y), _second_line(item, right - left), _dim())
	if _is_wide():
		y += _plain.height()
		_plain.draw(self, Vector2(left, y), _plain.shorten_start(_changes(id), right - left), _color)


# The folder, after the value where that isn't beside the title.
func _second_line(item: Dictionary, room: float) -> String:
	var value: String = item.get("value", "")
	var folder: String = item.get("detail", "")
	if _is_wide() or value == "":
		return _plain.shorten_start(folder, room)
	var left := room - _plain.width(value + " · ")
	if folder == "" or left < MIN_FOLDER * _scale:
		return _plain.shorten(value, room)
	return "%s · %s" % [value, _plain.shorten_start(folder, left)]


func _draw_thumb(item: Dictionary, rect: Rect2) -> void:
	var picture: Texture2D = _loader.picture(item.picture) if item.has("picture") else null
	if picture:
		var side := maxf(picture.get_width(), picture.get_height())
		var shown := picture.get_size() / maxf(1, side) * rect.size.x
		draw_texture_rect(picture, Rect2(rect.position + (rect.size - shown) / 2, shown), false)
	else:
		draw_rect(rect, Color(_color.r, _color.g, _color.b, GUIDE_OPACITY))


# The changes of a texture in one line.
func _changes(id: String) -> String:
	var item := _model.item(id)
	if item.get("locked", ""):
		return item.locked
	var children := _model.children(id)
	if children.size() == 1:
		return children[0].title
	return _text.say("{n} changes", {"n": children.size()}) if children else ""


func _on_input(event: InputEvent) -> void:
	var id := selected()
	if event is InputEventMouseButton:
		_on_click(event)
	elif Controls.is_escape(event, self):
		accept_event()
		escaped.emit()
	elif not id:
		return
	elif event.is_action_pressed("ui_select"):
		accept_event()
		_toggle(id)
	elif event.is_action_pressed("ui_right", true) or event.is_action_pressed("ui_accept"):
		accept_event()
		_go_in(id)
	elif event.is_action_pressed("ui_left", true):
		accept_event()
		if _open.has(id):
			_set_open(id, false)
			height_changed.emit()
		elif _model.parent(id) != "":
			_select(_model.parent(id))


func _on_click(event: InputEventMouseButton) -> void:
	var row := get_item_at_position(event.position)
	if not row or not event.pressed or event.button_index != MOUSE_BUTTON_LEFT:
		return
	var id: String = row.get_metadata(0)
	# Otherwise the editor selects the row that is below the mouse after the click.
	accept_event()
	grab_focus()
	row.select(0)
	if event.position.x < _text_left(id):
		_toggle(id)
	elif _is_group(id):
		_set_open(id, not _open.has(id))
		height_changed.emit()
	elif _is_texture(id):
		texture_opened.emit(id)


func _go_in(id: String) -> void:
	if _is_texture(id):
		texture_opened.emit(id)
	elif _is_group(id) and not _open.has(id):
		_set_open(id, true)
		height_changed.emit()
	elif _is_group(id) and _rows.has(_model.children(id)[0].id):
		_select(_model.children(id)[0].id)


func _toggle(id: String) -> void:
	if _model.is_checkable(id) and not _is_locked:
		_model.toggle(id)


func _set_open(id: String, is_open: bool) -> void:
	if is_open == _open.has(id) or not _rows.has(id):
		return
	if is_open:
		_open[id] = true
		if not _model.children(id).is_empty() and not _rows.has(_model.children(id)[0].id):
			_unbuilt.push_front([id, 0])
	else:
		_open.erase(id)
	# An open group shows its pictures in its rows alone.
	_layouts.erase(id)
	_rows[id].set_custom_minimum_height(int(_layout(id).height))
	_rows[id].set_collapsed(not is_open)
	# The next key may go into the group before the next frame.
	_build(Time.get_ticks_msec() + BUDGET_MS, FIRST_ROWS)
	set_process(true)


func _select(id: String) -> void:
	if _rows.has(id):
		_rows[id].select(0)
		ensure_cursor_is_visible()
	elif not get_selected() and not _model.roots.is_empty():
		_rows[_model.roots[0]].select(0)


# A row that has its own picture and changes.
func _is_texture(id: String) -> bool:
	return _model.item(id).has("path")


# Whether it says why it isn't done.
func _has_reason(id: String) -> bool:
	return _model.item(id).get("status", "") in ["failed", "kept"]


func _is_group(id: String) -> bool:
	return not _is_texture(id) and not _model.children(id).is_empty()


func _is_wide() -> bool:
	return _width() >= WIDE * _scale


func _has_strip(id: String) -> bool:
	if not _is_wide() or not _is_group(id) or _open.has(id):
		return false
	return _model.children(id)[0].has("picture")


func _box_left(id: String) -> float:
	return (PAD + (INDENT if _model.parent(id) != "" else 0)) * _scale


func _text_left(id: String) -> float:
	return _box_left(id) + get_theme_icon("checked", "Tree").get_width() + GAP * _scale


# Where the lines of a texture begin and end.
func _texture_left(id: String) -> float:
	return _text_left(id) + (THUMB + GAP) * _scale


func _texture_right(id: String) -> float:
	return _width() - (PAD + GAP) * _scale - _arrow(id).get_width()


# The checkbox, or what stands in its place.
func _row_icon(id: String) -> Texture2D:
	var outcome := _model.outcome(id)
	if outcome == "failed" and _is_group(id):
		outcome = "kept"
	if STATUS_ICONS.has(outcome):
		return _icon(STATUS_ICONS[outcome])
	if not _model.is_checkable(id):
		return _icon("Lock")
	match _model.tick(id):
		ItemModel.ON:
			return get_theme_icon("checked", "Tree")
		ItemModel.MIXED:
			if _has_icon("indeterminate", "Tree"):
				return get_theme_icon("indeterminate", "Tree")
	return get_theme_icon("unchecked", "Tree")


func _arrow(id: String) -> Texture2D:
	return get_theme_icon("arrow" if _open.has(id) else "arrow_collapsed", "Tree")


func _icon(name_of: String) -> Texture2D:
	return get_theme_icon(name_of, "EditorIcons")


func _severity_color(severity: String) -> Color:
	var color := get_theme_color(SEVERITY_COLORS.get(severity, "accent_color"), "Editor")
	return Controls.readable(color, _ground, _color)


func _severity_word(severity: String) -> String:
	match severity:
		"error":
			return _text.say("Error")
		"warning":
			return _text.say("Warning")
	return _text.say("Note")


func _tooltip(id: String) -> String:
	var item := _model.item(id)
	var lines: String = item.title
	for part: String in ["detail", "locked", "value", "key"]:
		if item.get(part, ""):
			lines += "\n" + str(item[part])
	return lines


#if godot4
# For screen readers.
func _description(id: String) -> String:
	var severity: String = _model.item(id).get("severity", "")
	return ("%s: " % _severity_word(severity) if severity else "") + _tooltip(id)


#endif
func _dim() -> Color:
	return Color(_color.r, _color.g, _color.b, _color.a * DETAIL_OPACITY)


# The width of the rows, without the scroll bar.
func _width() -> float:
	return get_size().x - (_scroll_bar.get_combined_minimum_size().x if _scroll_bar.visible else 0.0)


#if godot4
func _has_icon(name_of: String, type: String) -> bool:
	return has_theme_icon(name_of, type)


func _frame_height() -> float:
	return 2.0


func _find_scroll_bar() -> VScrollBar:
	for child: Node in get_children(true):
		if child is VScrollBar:
			return child
	return null
#else
func _has_icon(name_of: String, type: String):
	return has_icon(name_of, type)


# Godot 3 keeps room for a horizontal scroll bar before it does without the vertical one.
func _frame_height():
	for child in get_children():
		if child is HScrollBar:
			return child.get_combined_minimum_size().y + 6
	return 6.0


func _find_scroll_bar():
	for child in get_children():
		if child is VScrollBar:
			return child
	return null
#endif
