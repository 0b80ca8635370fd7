@tool
extends VBoxContainer
# One texture of a popup: its picture, what changes and how that looks, and why.

signal closed
# The height of what it shows.
signal height_changed
# Another texture of the same group is to be shown.
signal texture_opened(id: String)
# The texture is to be shown in the editor's own view of the project's files.
signal located(path: String)

const CheckRow := preload("check_row.gd")
const Compare := preload("compare.gd")
const Controls := preload("controls.gd")
const ItemModel := preload("item_model.gd")
const Loader := preload("loader.gd")
const Text := preload("text.gd")

const GAP := 6
const THUMB := 48
const DETAIL_OPACITY := 0.75
const STATUS_ICONS := {
	"pending": "Progress1", "done": "StatusSuccess", "failed": "StatusError", "kept": "StatusWarning",
}

# The texture that is shown, or an empty string.
var shown := ""

var _model: ItemModel
var _loader: Loader
var _text: Text
var _scale := 1.0
var _is_locked := false
var _head := HBoxContainer.new()
var _back := Button.new()
var _place := Label.new()
var _previous := Button.new()
var _next := Button.new()
var _locate: Button
var _scroll := ScrollContainer.new()
var _rows := VBoxContainer.new()
var _explanation := VBoxContainer.new()
# id -> CheckRow of the changes.
var _boxes := {}
# The height of the card.
var _room := 0.0
var _is_explained := false
# The pictures that are still to come: name -> hash of the blob.
var _awaited := {}
var _pictures := {}


# Call this when the pane is in the tree.
func setup(loader: Loader, text: Text, editor_scale: float) -> void:
	_loader = loader
	_text = text
	_scale = editor_scale
	size_flags_horizontal = SIZE_EXPAND_FILL
	size_flags_vertical = SIZE_EXPAND_FILL
	add_child(_head)
	_back.text = _text.say("Back")
	_place.size_flags_horizontal = SIZE_EXPAND_FILL
	_place.horizontal_alignment = HORIZONTAL_ALIGNMENT_RIGHT
	_place.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_previous.tooltip_text = _text.say("Previous texture")
	_next.tooltip_text = _text.say("Next texture")
	_back.pressed.connect(_on_back)
	_previous.pressed.connect(_step.bind(-1))
	_next.pressed.connect(_step.bind(1))
	for part: Control in [_back, _place, _previous, _next]:
		_head.add_child(part)
	for button: Button in [_back, _previous, _next]:
		button.flat = true
		button.gui_input.connect(_on_input.bind(button))
		Controls.label(button, button.tooltip_text if button.tooltip_text else button.text)
	_scroll.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	_scroll.size_flags_vertical = SIZE_EXPAND_FILL
	_scroll.follow_focus = true
	_rows.size_flags_horizontal = SIZE_EXPAND_FILL
	_rows.add_theme_constant_override("separation", int(GAP * _scale))
	_scroll.add_child(_rows)
	add_child(_scroll)
	_rows.minimum_size_changed.connect(_on_height_changed)
	_loader.fetched.connect(_on_fetched)
	_loader.explained.connect(_on_explained)
	_loader.picture_loaded.connect(_show_thumb)
	_style()


func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and _text:
		_style()


func _style() -> void:
	_back.icon = get_theme_icon("Back", "EditorIcons")
	_previous.icon = get_theme_icon("MoveUp", "EditorIcons")
	_next.icon = get_theme_icon("MoveDown", "EditorIcons")
	if _locate:
		_locate.icon = get_theme_icon("Filesystem", "EditorIcons")


# Shows the texture `id` of `model`.
func show_texture(model: ItemModel, id: String) -> void:
	if _model:
		_model.changed.disconnect(_show_ticks)
	_model = model
	_model.changed.connect(_show_ticks)
	shown = id
	_boxes.clear()
	_locate = null
	_is_explained = false
	_awaited.clear()
	_pictures.clear()
	for child: Node in _rows.get_children():
		_rows.remove_child(child)
		child.queue_free()
	_show_place()
	_rows.add_child(_create_title())
	_explanation = VBoxContainer.new()
	_rows.add_child(_explanation)
	for row: Dictionary in _changes():
		_add_change(row)
	_show_ticks()
	_show_thumb()
	_scroll.scroll_vertical = 0
	if _model.item(id).has("path"):
		_loader.explain(_model.item(id).path)


func clear() -> void:
	shown = ""


# Beside the list there is no way back to it.
func show_back(is_needed: bool) -> void:
	_back.visible = is_needed
	_head.visible = is_needed or _place.visible


func set_room(height: float) -> void:
	_room = height
	for compare: Compare in _explanation.get_children():
		compare.set_room(height)


func lock() -> void:
	_is_locked = true
	for row: CheckRow in _boxes.values():
		row.box.disabled = true


func focus() -> void:
	for row: CheckRow in _boxes.values():
		if row.box.visible:
			row.box.grab_focus()
			return
	_back.grab_focus()


# Returns the height in which nothing scrolls.
func full_height() -> float:
	return get_combined_minimum_size().y + _rows.get_combined_minimum_size().y \
			- _scroll.get_combined_minimum_size().y


func _show_place() -> void:
	var siblings := _model.siblings(shown)
	_place.text = "%d / %d" % [siblings.find(shown) + 1, siblings.size()]
	for part: Control in [_place, _previous, _next]:
		part.visible = siblings.size() > 1
	_previous.disabled = siblings.find(shown) == 0
	_next.disabled = siblings.find(shown) == siblings.size() - 1


func _create_title() -> Control:
	var item := _model.item(shown)
	var row := HBoxContainer.new()
	row.add_theme_constant_override("separation", int(GAP * _scale))
	var thumb := TextureRect.new()
	thumb.name = "Thumb"
	thumb.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	thumb.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	thumb.custom_minimum_size = Vector2(THUMB, THUMB) * _scale
	thumb.size_flags_vertical = SIZE_SHRINK_BEGIN
	row.add_child(thumb)
	var lines := VBoxContainer.new()
	lines.add_theme_constant_override("separation", 0)
	lines.size_flags_horizontal = SIZE_EXPAND_FILL
	lines.add_child(_create_line(item.title, true))
	# A texture without changes below it has these in its own row.
	var is_leaf := _model.children(shown).is_empty()
	for part: String in ["detail", "value", "locked"]:
		if item.get(part, "") and not (is_leaf and part == _own_part(item)):
			lines.add_child(_create_line(item[part], false))
	row.add_child(lines)
	if item.has("path"):
		row.add_child(_create_locate())
	return row


func _create_locate() -> Control:
	_locate = Button.new()
	_locate.flat = true
	_locate.icon = get_theme_icon("Filesystem", "EditorIcons")
	_locate.tooltip_text = _text.say("Show in FileSystem")
	_locate.size_flags_vertical = SIZE_SHRINK_BEGIN
	_locate.pressed.connect(_on_locate)
	_locate.gui_input.connect(_on_input.bind(_locate))
	Controls.label(_locate, _locate.tooltip_text)
	return _locate


func _create_line(line: String, is_bold: bool) -> Label:
	var label := Label.new()
	label.text = line
	label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	label.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	if is_bold:
		label.add_theme_font_override("font", get_theme_font("bold", "EditorFonts"))
	else:
		label.modulate.a = DETAIL_OPACITY
	return label


# The texture's changes; the texture itself if it has none below it.
func _changes() -> Array:
	var below := _model.children(shown)
	return below if not below.is_empty() else [_model.item(shown)]


func _add_change(item: Dictionary) -> void:
	var row := CheckRow.new()
	_rows.add_child(row)
	var title: String = item.title
	var about: String = item.get(_own_part(item), "")
	if item.id == shown:
		title = about if about else title
		about = ""
	elif item.get("value", ""):
		about = "%s · %s" % [item.value, about] if about else item.value
	var icon: Texture2D = null
	if STATUS_ICONS.has(item.get("status", "")):
		icon = get_theme_icon(STATUS_ICONS[item.status], "EditorIcons")
	elif not _model.is_checkable(item.id):
		icon = get_theme_icon("Lock", "EditorIcons")
	row.setup(title, about, false, icon)
	row.toggled.connect(_on_toggled.bind(item.id))
	row.box.disabled = _is_locked
	row.box.gui_input.connect(_on_input.bind(row.box))
	_boxes[item.id] = row


# The part of the item that its own row says: why it can't be ticked, or what it is about.
static func _own_part(item: Dictionary) -> String:
	return "locked" if item.get("locked", "") else "detail"


func _show_ticks() -> void:
	if not shown:
		return
	for id: String in _boxes:
		_boxes[id].show_tick(_model.tick(id) == ItemModel.ON)


func _show_thumb() -> void:
	if not shown or _rows.get_child_count() == 0:
		return
	var thumb: TextureRect = _rows.get_child(0).get_child(0)
	var item := _model.item(shown)
	thumb.texture = _loader.picture(item.picture) if item.has("picture") else null
	thumb.visible = item.has("picture")


func _on_explained(path: String, reply: Dictionary) -> void:
	if not shown or _is_explained or reply.is_empty() or _model.item(shown).get("path", "") != path:
		return
	_is_explained = true
	for output: Dictionary in reply.get("outputs", []):
		if not output.name in ["before", "after"]:
			continue
		if output.has("data"):
			_pictures[output.name] = Loader.to_texture(output.data)
		elif output.has("blob"):
			_awaited[output.name] = output.blob
			_loader.fetch(output.blob)
	_show_pictures()
	var lines := _lines_of(reply.value)
	if lines.is_empty():
		return
	_rows.add_child(HSeparator.new())
	var why := VBoxContainer.new()
	why.add_theme_constant_override("separation", int(GAP * _scale))
	why.add_child(_create_line(_text.say("Why?"), true))
	for line: String in lines:
		why.add_child(_create_line(line, false))
	_rows.add_child(why)


# The lines of the daemon's explanation.
static func _lines_of(value: Variant) -> Array:
	var lines := []
	var said: Variant = value.get("lines", value.get("text", [])) if value is Dictionary else []
	if said is String:
		said = Array(said.split("\n"))
	for line: Variant in said:
		# Labels show no marks of code.
		var parts := str(line).split("`")
		var plain: String = parts[0].left(1).to_upper() + parts[0].substr(1)
		for i: int in range(1, parts.size()):
			plain += ("“" if i % 2 == 1 else "”") + parts[i]
		lines.append(plain)
	return lines


func _on_fetched(sha: String, bytes: PackedByteArray) -> void:
	for part: String in _awaited.keys():
		if _awaited[part] == sha:
			_awaited.erase(part)
			_pictures[part] = Loader.to_texture(bytes)
	_show_pictures()


func _show_pictures() -> void:
	if _pictures.get("before") and _pictures.get("after") and _explanation.get_child_count() == 0:
		var compare := Compare.new()
		_explanation.add_child(compare)
		compare.setup(_pictures.before, _pictures.after, _text, _scale, _room)
		compare.escaped.connect(_on_back)


func _step(direction: int) -> void:
	var siblings := _model.siblings(shown)
	var at := siblings.find(shown) + direction
	if at >= 0 and at < siblings.size():
		texture_opened.emit(siblings[at])


func _on_toggled(is_on: bool, id: String) -> void:
	_model.set_ticked(id, is_on)


func _on_height_changed() -> void:
	height_changed.emit()


func _on_back() -> void:
	closed.emit()


func _on_locate() -> void:
	located.emit(_model.item(shown).path)


func _on_input(event: InputEvent, control: Control) -> void:
	if Controls.is_escape(event, control) or event.is_action_pressed("ui_left"):
		control.accept_event()
		closed.emit()
