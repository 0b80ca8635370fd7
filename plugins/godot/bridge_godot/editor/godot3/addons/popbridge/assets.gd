tool
extends Node
# The project's textures and their import settings: read, written, reimported, and reported when they were imported.

const SessionStore = preload("session_store.gd")

const IMPORTER = "texture"
# Room for the map around the assets of one frame, bytes.
const FRAME_HEAD = 256
# A daemon that lives on for so long has heard what was reported.
const HEARD_AFTER_S = 60

var _files: EditorFileSystem
var _progress: Control
var _store: SessionStore
var _batch = 0
# Imported and not reported yet: path -> true.
var _fresh = {}
# Being reimported by a command: path -> true. Its answer reports them.
var _ours = {}
# Of those, what Godot has tried since, whatever came of it: path -> true.
var _tried = {}
var _first_scan_over = false


func setup(interface: EditorInterface, store: SessionStore):
	_files = interface.get_resource_filesystem()
	_progress = _progress_dialog(interface.get_base_control())
	_store = store
	if _store.reported_at == 0:
		# The very first run: what was imported since the editor started, the addon's own absence included.
		_store.reported_at = OS.get_unix_time() - OS.get_ticks_msec() / 1000 - 1
		_store.save()
	_files.connect("resources_reimported", self, "_on_reimported")


# {"path", "file", "type", "options"}; empty where it is no imported texture.
func describe(path: String) -> Dictionary:
	var config = open_settings(path)
	if not config:
		return {}
	var options = {}
	for key in config.get_section_keys("params"):
		options[key] = config.get_value("params", key)
	return {"path": path, "file": path.trim_prefix("res://"), "type": "texture", "options": options}


# The texture's `.import`; null where it has none.
func open_settings(path: String) -> ConfigFile:
	var config = ConfigFile.new()
	if not path.begins_with("res://") or path != path.simplify_path() or not File.new().file_exists(path):
		return null
	if config.load(path + ".import") != OK or not config.has_section("params"):
		return null
	return config if config.get_value("remap", "importer", "") == IMPORTER else null


# Whether its last import went well.
func is_valid(path: String) -> bool:
	var config = open_settings(path)
	return config != null and config.get_value("remap", "valid", true) and _imported_at(path) != 0


# The editor draws frames, and so runs this addon, in the midst of an import; only its progress dialog tells.
func is_importing() -> bool:
	return _files.is_scanning() or (_progress and _progress.visible)


# Waits for the end of an import under way; use it with `yield(..., "completed")`. Gives whether it came in time.
func settled(within_ms: int):
	var deadline = OS.get_ticks_msec() + within_ms
	yield(get_tree(), "idle_frame")
	while is_importing() and OS.get_ticks_msec() < deadline:
		yield(get_tree(), "idle_frame")
	return not is_importing()


# Waits for the editor to have imported `paths` anew; use it with `yield(..., "completed")`. Gives those that it hasn't
# within the time.
func reimport(paths: Array, within_ms: int):
	var deadline = OS.get_ticks_msec() + within_ms
	var waiting = paths.duplicate()
	var asked = false
	_tried.clear()
	for path in paths:
		_ours[path] = true
		_forget_import(path)
	yield(get_tree(), "idle_frame")
	while waiting and OS.get_ticks_msec() < deadline:
		if not is_importing():
			waiting = _untried(waiting)
			if waiting and not asked:
				# Godot 3 exposes no `reimport_files`; a missing .md5 makes its scan import the file.
				_files.scan_sources()
				asked = true
		yield(get_tree(), "idle_frame")
	_ours.clear()
	return waiting


# Tells the daemon what was imported since the last report, in frames of at most half its limit.
func report(connection: Node):
	_store.drop_reports(connection.instance(), HEARD_AFTER_S)
	if not _first_scan_over:
		_look_back()
	if _fresh.empty() or not _first_scan_over or is_importing():
		return
	var assets = []
	for path in _fresh:
		# No settings mend what Godot couldn't read; it is reported once it could.
		if is_valid(path):
			assets.append(describe(path))
	_fresh.clear()
	for data in _frames(assets, connection):
		if connection.send({"type": "event", "name": "asset.imported", "data": data}):
			_note_reported(data.assets, connection.instance())
		else:
			_keep_fresh(data.assets)
	_store.save()


# Reports once more what was reported to a daemon shortly before it ended.
func report_missed(connection: Node):
	for path in _store.reports_missed_by(connection.instance()):
		_fresh[path] = true


func _frames(assets: Array, connection: Node) -> Array:
	var limit = connection.frame_limit() / 2
	var frames = []
	var size = limit
	for asset in assets:
		var more = connection.size_of(asset)
		if size + more > limit:
			frames.append({"batch": _batch, "more": true, "assets": []})
			size = FRAME_HEAD
		frames[-1].assets.append(asset)
		size += more
	if frames:
		frames[-1].more = false
		_batch += 1
	return frames


func _note_reported(assets: Array, instance: String):
	var paths = []
	for asset in assets:
		_store.reported_at = int(max(_store.reported_at, _imported_at(asset.path)))
		paths.append(asset.path)
	_store.keep_reports(paths, instance)


func _keep_fresh(assets: Array):
	for asset in assets:
		_fresh[asset.path] = true


func _progress_dialog(base: Control) -> Control:
	for child in base.get_children():
		if child.get_class() == "ProgressDialog":
			return child
	return null


func _on_reimported(paths: PoolStringArray):
	for path in paths:
		if _ours.has(path):
			_tried[path] = true
		elif open_settings(path):
			_fresh[path] = true


# Godot imports new files before addons are loaded: those are newer than the last report.
func _look_back():
	if is_importing() or not _files.get_filesystem():
		return
	_first_scan_over = true
	_collect(_files.get_filesystem(), _store.reported_at)


func _collect(folder: EditorFileSystemDirectory, since: int):
	for i in folder.get_subdir_count():
		_collect(folder.get_subdir(i), since)
	for i in folder.get_file_count():
		var path = folder.get_file_path(i)
		if _imported_at(path) > since and open_settings(path):
			_fresh[path] = true


# Seconds since 1970; 0 where it isn't imported.
func _imported_at(path: String) -> int:
	var file = File.new()
	return file.get_modified_time(_md5_file(path)) if file.file_exists(_md5_file(path)) else 0


func _untried(paths: Array) -> Array:
	var left = []
	for path in paths:
		if _imported_at(path) == 0 and not _tried.has(path):
			left.append(path)
	return left


func _forget_import(path: String):
	Directory.new().remove(_md5_file(path))


# Godot's own name for it.
func _md5_file(path: String) -> String:
	return "res://.import/%s-%s.md5" % [path.get_file(), path.md5_text()]
