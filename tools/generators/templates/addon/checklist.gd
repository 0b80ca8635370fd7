@tool
extends HBoxContainer
# A popup's list and the texture that is opened from it: beside the list where there is room, otherwise in its place.

signal escaped
signal height_changed
signal located(path: String)

const Controls := preload("controls.gd")
const ItemRows := preload("item_rows.gd")
const ItemModel := preload("item_model.gd")
const ItemPane := preload("item_pane.gd")
const Loader := preload("loader.gd")
const Text := preload("text.gd")

# Milliseconds of a frame for reading items.
const BUDGET_MS := 4
# From this width on the texture is beside the list.
const BESIDE := 600
const GAP := 8

var model: ItemModel

var _list := ItemRows.new()
var _pane := ItemPane.new()
var _edge := VSeparator.new()
var _scale := 1.0
# What an earlier list had open.
var _state := {}
var _is_read := false


# Call this when the list is in the tree. `title` is for screen readers.
func setup(title: String, loader: Loader, text: Text, editor_scale: float) -> void:
	_scale = editor_scale
	size_flags_vertical = SIZE_EXPAND_FILL
	add_theme_constant_override("separation", int(GAP * _scale))
	for part: Control in [_list, _edge, _pane]:
		add_child(part)
	_list.setup(loader, text, editor_scale)
	Controls.label(_list, title)
	_pane.setup(loader, text, editor_scale)
	_list.texture_opened.connect(_open)
	_list.escaped.connect(_on_escaped)
	_list.height_changed.connect(_on_height_changed)
	_pane.closed.connect(close)
	_pane.height_changed.connect(_on_height_changed)
	_pane.texture_opened.connect(_open)
	_pane.located.connect(_on_located)
	resized.connect(_on_resized)
	_arrange()
	set_process(false)


# Shows the items once they are read, with what was open in an earlier list.
func show_items(items: Array, earlier: Dictionary) -> void:
	_state = earlier
	_is_read = false
	model = ItemModel.new(items)
	set_process(true)
	_process(0)


func state() -> Dictionary:
	var present := _list.state() if _is_read else _state.duplicate()
	present["shown"] = _pane.shown
	return present


# Whether a texture is in the list's place, and the list is one step back.
func is_covered() -> bool:
	return not _list.visible and not _is_single()


func set_room(height: float) -> void:
	_pane.set_room(height)


func lock() -> void:
	_list.lock()
	_pane.lock()


func focus() -> void:
	if _list.visible:
		_list.grab_focus()
	else:
		_pane.focus()


# Returns the height in which nothing scrolls.
func full_height() -> float:
	if not _is_read:
		return 0.0
	var height := _list.full_height() if _list.visible else 0.0
	return maxf(height, _pane.full_height()) if _pane.visible else height


# Goes back from the texture to the list.
func close() -> void:
	var was_shown := _pane.shown
	_pane.clear()
	_arrange()
	if was_shown:
		_list.reveal(was_shown)
	_list.grab_focus()
	height_changed.emit()


func _process(_delta: float) -> void:
	if not model.read(Time.get_ticks_msec() + BUDGET_MS):
		return
	set_process(false)
	_is_read = true
	_list.show_items(model, _state)
	var shown: String = _state.get("shown", "")
	if _is_single():
		shown = model.children(model.roots[0])[0].id
	if model.has(shown) and model.item(shown).has("path"):
		_pane.show_texture(model, shown)
	else:
		_pane.clear()
	_arrange()
	model.changed.emit()
	height_changed.emit()


func _open(id: String) -> void:
	_pane.show_texture(model, id)
	_list.reveal(id)
	_arrange()
	if not _list.visible:
		_pane.focus()
	height_changed.emit()


func _arrange() -> void:
	_pane.visible = _pane.shown != ""
	_list.visible = _is_beside() or not _pane.visible
	_edge.visible = _list.visible and _pane.visible
	if _pane.visible:
		_pane.show_back(is_covered())


# Whether there is a single texture: it needs no list.
func _is_single() -> bool:
	if not _is_read or model.roots.size() != 1:
		return false
	var children := model.children(model.roots[0])
	return children.size() == 1 and children[0].has("path")


func _is_beside() -> bool:
	return get_size().x >= BESIDE * _scale


func _on_escaped() -> void:
	if _pane.visible:
		close()
	else:
		escaped.emit()


func _on_resized() -> void:
	_arrange()
	height_changed.emit()


func _on_height_changed() -> void:
	height_changed.emit()


func _on_located(path: String) -> void:
	located.emit(path)
