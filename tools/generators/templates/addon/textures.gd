@tool
extends Node
# The project's textures and their import settings: reads them, reimports textures, and reports imports to the daemon.

const Connection := preload("connection.gd")
const SessionStore := preload("session_store.gd")

const IMPORTER := "texture"
# What a frame takes besides its assets, in bytes.
const FRAME_OVERHEAD := 256
# A daemon that has run for so long has read what was reported.
const REPORT_READ_S := 60
#if godot4
# Files that are reimported before the socket is polled again.
const REIMPORT_AT_ONCE := 4
# What MessagePack can express; other types are sent as Godot's own text for them.
const PLAIN_TYPES := [TYPE_NIL, TYPE_BOOL, TYPE_INT, TYPE_FLOAT, TYPE_STRING]
#endif

var _files: EditorFileSystem
var _connection: Connection
var _store: SessionStore
# Where Godot keeps the imported files.
var _imported_folder := ""
var _batch := 0
# Imported and not reported yet: path -> true.
var _unreported := {}
# Reimported by a command, whose reply reports them: path -> true.
var _reimporting := {}
var _is_first_scan_done := false
#if godot4
var _is_importing := false
#else
# Of `_reimporting`, those that Godot has tried to import: path -> true.
var _tried := {}
var _progress: Control
#endif


#if godot4
func setup(connection: Connection, store: SessionStore, data_folder: String) -> void:
	_files = EditorInterface.get_resource_filesystem()
	_imported_folder = data_folder.path_join("imported")
	# Before 4.4 only the scan shows that an import is in progress.
	if _files.has_signal("resources_reimporting"):
		_files.connect("resources_reimporting", _on_reimporting)
#else
func setup(connection: Connection, store: SessionStore, data_folder: String, interface: EditorInterface):
	_files = interface.get_resource_filesystem()
	_imported_folder = data_folder
	_progress = _progress_dialog(interface.get_base_control())
#endif
	_connection = connection
	_store = store
	if _store.reported_at == 0:
		# The very first start: covers what was imported since the editor started, before the addon was loaded.
		_store.reported_at = int(Time.get_unix_time_from_system()) - ceili(Time.get_ticks_msec() / 1000.0) - 1
		_store.save()
	_files.resources_reimported.connect(_on_reimported)


# Returns {"path", "file", "type", "options"}; empty if `path` isn't an imported texture.
func describe(path: String) -> Dictionary:
	var config := open_settings(path)
	if not config:
		return {}
	var options := {}
	for key: String in config.get_section_keys("params"):
		var value: Variant = config.get_value("params", key)
#if godot4
		if not typeof(value) in PLAIN_TYPES:
			value = var_to_str(value)
#endif
		options[key] = value
	return {"path": path, "file": path.trim_prefix("res://"), "type": "texture", "options": options}


# Returns the texture's `.import` file; null if there is none.
func open_settings(path: String) -> ConfigFile:
	if not path.begins_with("res://") or path != path.simplify_path():
		return null
	if not FileAccess.file_exists(path) or not FileAccess.file_exists(path + ".import"):
		return null
	var config := ConfigFile.new()
	if config.load(path + ".import") != OK or not config.has_section("params"):
		return null
	return config if config.get_value("remap", "importer", "") == IMPORTER else null


# Whether the last import succeeded.
func is_valid(path: String) -> bool:
	var config := open_settings(path)
#if godot4
	return config != null and config.get_value("remap", "valid", true)
#else
	return config != null and config.get_value("remap", "valid", true) and _imported_at(path) != 0
#endif


#if godot4
func is_importing() -> bool:
	return _is_importing or _files.is_scanning()
#else
# The editor draws frames, and so runs this addon, during an import; only its progress dialog shows that.
func is_importing() -> bool:
	return _files.is_scanning() or (_progress and _progress.visible)
#endif


# Waits for the end of an import in progress. Returns whether it ended in time.
func wait_for_import(timeout_ms: int) -> bool:
	var deadline := Time.get_ticks_msec() + timeout_ms
	await get_tree().process_frame
	while is_importing() and Time.get_ticks_msec() < deadline:
		await get_tree().process_frame
	return not is_importing()


#if godot4
# Reimports `paths`, a few at a time. Returns those that failed.
func reimport(paths: Array, timeout_ms: int) -> Array:
	var remaining := paths.duplicate()
	while not remaining.is_empty() and await wait_for_import(timeout_ms):
		_reimport_now(PackedStringArray(remaining.slice(0, REIMPORT_AT_ONCE)))
		remaining = remaining.slice(REIMPORT_AT_ONCE)
		await get_tree().process_frame
	_reimporting.clear()
	return paths.filter(func(path: String) -> bool: return _imported_at(path) == 0)


func _reimport_now(paths: PackedStringArray) -> void:
	for path in paths:
		_reimporting[path] = true
		# Godot writes it after a successful import.
		DirAccess.remove_absolute(_md5_file(path))
	_connection.paused = true
	_files.reimport_files(paths)
	_connection.paused = false


func _on_reimporting(_paths: PackedStringArray) -> void:
	_is_importing = true


func _on_reimported(paths: PackedStringArray) -> void:
	_is_importing = false
	for path in paths:
		if not _reimporting.has(path) and open_settings(path):
			_unreported[path] = true
#else
# Waits until Godot has reimported `paths`. Returns those that it hasn't in time.
func reimport(paths: Array, timeout_ms: int):
	var deadline = Time.get_ticks_msec() + timeout_ms
	var remaining = paths.duplicate()
	var is_scan_requested = false
	_tried.clear()
	for path in paths:
		_reimporting[path] = true
		Directory.new().remove(_md5_file(path))
	yield(get_tree(), "idle_frame")
	while remaining and Time.get_ticks_msec() < deadline:
		if not is_importing():
			remaining = _untried(remaining)
			if remaining and not is_scan_requested:
				# Godot 3 has no `reimport_files`; its scan imports files without an .md5.
				_files.scan_sources()
				is_scan_requested = true
		yield(get_tree(), "idle_frame")
	_reimporting.clear()
	return remaining


func _untried(paths: Array) -> Array:
	var untried = []
	for path in paths:
		if _imported_at(path) == 0 and not _tried.has(path):
			untried.append(path)
	return untried


func _on_reimported(paths: PoolStringArray):
	for path in paths:
		if _reimporting.has(path):
			_tried[path] = true
		elif open_settings(path):
			_unreported[path] = true


func _progress_dialog(base: Control) -> Control:
	for child in base.get_children():
		if child.get_class() == "ProgressDialog":
			return child
	return null
#endif


# Reports what was imported since the last report, in frames of at most half the daemon's limit.
func report() -> void:
	_store.delete_reports(_connection.instance(), REPORT_READ_S)
	if not _is_first_scan_done:
		_find_earlier_imports()
	if _unreported.is_empty() or not _is_first_scan_done or is_importing():
		return
	var assets := []
	for path: String in _unreported:
		# Import settings can't fix an unreadable file; it is reported after its next successful import.
		if is_valid(path):
			assets.append(describe(path))
	_unreported.clear()
	for data: Dictionary in _split_into_frames(assets):
		if _connection.send({"type": "event", "name": "asset.imported", "data": data}):
			_store_report(data.assets)
		else:
			for asset: Dictionary in data.assets:
				_unreported[asset.path] = true
	_store.save()


# Reports again what an earlier daemon may not have read before it ended.
func report_missed() -> void:
	for path: String in _store.reports_missed_by(_connection.instance()):
		_unreported[path] = true


func _split_into_frames(assets: Array) -> Array:
	var limit := _connection.frame_limit() >> 1
	var frames := []
	var size := limit
	for asset: Dictionary in assets:
		var more := _connection.size_of(asset)
		if size + more > limit:
			frames.append({"batch": _batch, "more": true, "assets": []})
			size = FRAME_OVERHEAD
		frames[-1].assets.append(asset)
		size += more
	if not frames.is_empty():
		frames[-1].more = false
		_batch += 1
	return frames


func _store_report(assets: Array) -> void:
	var paths := []
	for asset: Dictionary in assets:
		_store.reported_at = maxi(_store.reported_at, _imported_at(asset.path))
		paths.append(asset.path)
	_store.store_reports(paths, _connection.instance())


# Godot imports new files before it loads addons: their imports are newer than the last report.
func _find_earlier_imports() -> void:
	if is_importing() or not _files.get_filesystem():
		return
	_is_first_scan_done = true
	_find_imports_in(_files.get_filesystem(), _store.reported_at)


func _find_imports_in(folder: EditorFileSystemDirectory, since: int) -> void:
	for i: int in folder.get_subdir_count():
		_find_imports_in(folder.get_subdir(i), since)
	for i: int in folder.get_file_count():
		var path := folder.get_file_path(i)
		if _imported_at(path) > since and open_settings(path):
			_unreported[path] = true


# Returns when `path` was imported, in seconds since 1970; 0 if it isn't.
func _imported_at(path: String) -> int:
	return FileAccess.get_modified_time(_md5_file(path)) if FileAccess.file_exists(_md5_file(path)) else 0


# Godot's own file name.
func _md5_file(path: String) -> String:
	return _imported_folder.path_join("%s-%s.md5" % [path.get_file(), path.md5_text()])
