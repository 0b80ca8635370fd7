@tool
extends EditorPlugin
# Takes the pictures of `popbridge demo`: for each request NAME.json in FOLDER it writes NAME.png.

const FOLDER := "res://.godot/popbridge_camera"
const ADDON := "res://addons/popbridge/"
const INTERVAL_S := 0.25
# A window that hasn't changed for so long is complete: cards fetch their thumbnails.
const STILL_S := 1.5
const MAX_WAIT_S := 20.0
# Panels move step by step: each move makes others fit.
const ARRANGING_S := 1.5
# The shares of the window that the panel and the Import dock take.
const PANEL := Vector2(0.36, 0.8)
const IMPORT := Vector2(0.2, 0.6)

var _elapsed := 0.0
# The request that is being answered, and its values.
var _name := ""
var _request := {}
var _waited := 0.0
var _still := 0.0
var _last := 0


func _process(delta: float) -> void:
	_elapsed += delta
	if _elapsed < INTERVAL_S:
		return
	var passed := _elapsed
	_elapsed = 0.0
	# The editor draws nothing while nothing happens, and less while it isn't focused.
	OS.low_processor_usage_mode = false
	if not _name:
		_look()
	elif _request.has("press"):
		_press()
	else:
		_wait(passed)


func _look() -> void:
	if not DirAccess.dir_exists_absolute(FOLDER):
		return
	for file in DirAccess.get_files_at(FOLDER):
		if file.get_extension() != "json":
			continue
		var parsed: Variant = JSON.parse_string(FileAccess.get_file_as_string(FOLDER.path_join(file)))
		if not parsed is Dictionary:
			continue
		_name = file.get_basename()
		_request = parsed
		_waited = 0.0
		_still = 0.0
		if _request.has("select"):
			_select(_request.select)
		return


# Presses the button of that action on the first card that has it.
func _press() -> void:
	for card in _parts("card.gd"):
		for action: Dictionary in card.popup.actions:
			if action.id == _request.press:
				card.call("_choose", "answered", action.id)
				_end()
				return


func _wait(passed: float) -> void:
	if _waited < ARRANGING_S:
		_arrange()
	var shot := get_tree().root.get_texture().get_image()
	var now := hash(shot.get_data())
	_waited += passed
	_still = _still + passed if now == _last else 0.0
	_last = now
	var is_busy := EditorInterface.get_resource_filesystem().is_scanning()
	if (_still < STILL_S or is_busy) and _waited < MAX_WAIT_S:
		return
	var file := FOLDER.path_join(_name + ".png")
	shot.convert(Image.FORMAT_RGB8)
	shot.save_png(file + ".part")
	DirAccess.rename_absolute(file + ".part", file)
	_end()


func _end() -> void:
	DirAccess.remove_absolute(FOLDER.path_join(_name + ".json"))
	_name = ""


# Shows a texture's settings in the Import dock, and the texture in the inspector.
func _select(path: String) -> void:
	EditorInterface.select_file("res://project.godot")
	EditorInterface.select_file(path)
	EditorInterface.edit_resource(load(path))


# Makes room for the panel and for the Import dock, as a person does with the mouse.
func _arrange() -> void:
	var window := Vector2(get_tree().root.size)
	for dock in _parts("dock.gd"):
		_raise(dock)
		var tabs := _tab(dock).get_parent() as Control
		tabs.visible = not _request.get("alone", false)
		if tabs.visible:
			_resize(dock, window * PANEL)
	for dock in _base().find_children("*", "ImportDock", true, false):
		_raise(dock)
		_resize(dock, window * IMPORT)


# Moves the edges of the panels around `dock`.
func _resize(dock: Node, wanted: Vector2) -> void:
	var part := dock
	while part.get_parent() != _base():
		var split := part.get_parent() as SplitContainer
		if split:
			var axis := 1 if split.vertical else 0
			var shown := split.get_children().filter(
				func(child: Node) -> bool: return child is Control and (child as Control).visible
			)
			var missing := int(wanted[axis] - (part as Control).size[axis])
			var at := shown.find(part)
			if absi(missing) > 2 and shown.size() > 1 and at >= 0:
				_move_edge(split, maxi(at - 1, 0), missing if at == 0 else -missing)
		part = part.get_parent()


# Moves the edge after the part `at`. Splits have two parts before Godot 4.6.
func _move_edge(split: SplitContainer, at: int, by: int) -> void:
	if not "split_offsets" in split:
		split.split_offset += by
		return
	var offsets: PackedInt32Array = split.get("split_offsets")
	if at < offsets.size():
		offsets[at] += by
		split.set("split_offsets", offsets)


func _raise(dock: Node) -> void:
	var tab := _tab(dock)
	var tabs := tab.get_parent() as TabContainer
	tabs.current_tab = tabs.get_tab_idx_from_control(tab)


# Returns the tab that contains `dock`, or is it.
func _tab(dock: Node) -> Control:
	var tab := dock
	while not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	return tab as Control


# The addon's parts that this script controls.
func _parts(script: String) -> Array[Node]:
	var found: Array[Node] = []
	for node in _base().find_children("*", "", true, false):
		var attached: Script = node.get_script()
		if attached and attached.resource_path == ADDON + script:
			found.append(node)
	return found


func _base() -> Control:
	return EditorInterface.get_base_control()
