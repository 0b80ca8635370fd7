@tool
extends Node
# The project's textures and their import settings: read, written, reimported, and reported when they were imported.

const Connection := preload("connection.gd")
const SessionStore := preload("session_store.gd")

const IMPORTER := "texture"
# Room for the map around the assets of one frame, bytes.
const FRAME_HEAD := 256
# Files that are reimported before the socket is looked at again.
const AT_ONCE := 4
# A daemon that lives on for so long has heard what was reported.
const HEARD_AFTER_S := 60
# What MessagePack can carry; other types go as Godot's own text for them.
const PLAIN := [TYPE_NIL, TYPE_BOOL, TYPE_INT, TYPE_FLOAT, TYPE_STRING]

var _files: EditorFileSystem
var _connection: Connection
var _store: SessionStore
var _imported := ""
var _batch := 0
# Imported and not reported yet: path -> true.
var _fresh := {}
# Being reimported by a command: path -> true. Its answer reports them.
var _ours := {}
var _importing := false
var _first_scan_over := false


func setup(connection: Connection, store: SessionStore, data_folder: String) -> void:
	_files = EditorInterface.get_resource_filesystem()
	_connection = connection
	_store = store
	_imported = data_folder.path_join("imported")
	if _store.reported_at == 0:
		# The very first run: what was imported since the editor started, the addon's own absence included.
		_store.reported_at = int(Time.get_unix_time_from_system()) - ceili(Time.get_ticks_msec() / 1000.0) - 1
		_store.save()
	_files.resources_reimported.connect(_on_reimported)
	# From 4.4; before, an import under way is known by its scan alone.
	if _files.has_signal("resources_reimporting"):
		_files.connect("resources_reimporting", _on_reimporting)


# {"path", "file", "type", "options"}; empty where it is no imported texture.
func describe(path: String) -> Dictionary:
	var config := open_settings(path)
	if not config:
		return {}
	var options := {}
	for key in config.get_section_keys("params"):
		var value: Variant = config.get_value("params", key)
		options[key] = value if typeof(value) in PLAIN else var_to_str(value)
	return {"path": path, "file": path.trim_prefix("res://"), "type": "texture", "options": options}


# The texture's `.import`; null where it has none.
func open_settings(path: String) -> ConfigFile:
	if not path.begins_with("res://") or path != path.simplify_path():
		return null
	if not FileAccess.file_exists(path) or not FileAccess.file_exists(path + ".import"):
		return null
	var config := ConfigFile.new()
	if config.load(path + ".import") != OK or not config.has_section("params"):
		return null
	return config if config.get_value("remap", "importer", "") == IMPORTER else null


# Whether its last import went well.
func is_valid(path: String) -> bool:
	var config := open_settings(path)
	return config != null and config.get_value("remap", "valid", true)


func is_importing() -> bool:
	return _importing or _files.is_scanning()


# Waits for the end of an import under way. Gives whether it came in time.
func settled(within_ms: int) -> bool:
	var deadline := Time.get_ticks_msec() + within_ms
	while is_importing() and Time.get_ticks_msec() < deadline:
		await get_tree().process_frame
	return not is_importing()


# Imports `paths` anew, a few at a time. Gives those that Godot hasn't imported.
func reimport(paths: Array, within_ms: int) -> Array:
	var left := paths.duplicate()
	while not left.is_empty() and await settled(within_ms):
		_reimport_now(PackedStringArray(left.slice(0, AT_ONCE)))
		left = left.slice(AT_ONCE)
		await get_tree().process_frame
	_ours.clear()
	return paths.filter(func(path: String) -> bool: return _imported_at(path) == 0)


# Tells the daemon what was imported since the last report, in frames of at most half its limit.
func report() -> void:
	_store.drop_reports(_connection.instance(), HEARD_AFTER_S)
	if not _first_scan_over:
		_look_back()
	if _fresh.is_empty() or not _first_scan_over or is_importing():
		return
	# No settings mend what Godot couldn't read; it is reported once it could.
	var assets := _fresh.keys().filter(is_valid).map(describe)
	_fresh.clear()
	for data: Dictionary in _frames(assets):
		if _connection.send({"type": "event", "name": "asset.imported", "data": data}):
			_note_reported(data.assets)
		else:
			_keep_fresh(data.assets)
	_store.save()


# Reports once more what was reported to a daemon shortly before it ended.
func report_missed() -> void:
	for path: String in _store.reports_missed_by(_connection.instance()):
		_fresh[path] = true


func _reimport_now(paths: PackedStringArray) -> void:
	for path in paths:
		_ours[path] = true
		# Godot writes it when an import went well: its absence tells a failed one.
		DirAccess.remove_absolute(_md5_file(path))
	_connection.paused = true
	_files.reimport_files(paths)
	_connection.paused = false


func _frames(assets: Array) -> Array:
	var limit := _connection.frame_limit() >> 1
	var frames := []
	var size := limit
	for asset: Dictionary in assets:
		var more := _connection.size_of(asset)
		if size + more > limit:
			frames.append({"batch": _batch, "more": true, "assets": []})
			size = FRAME_HEAD
		frames[-1].assets.append(asset)
		size += more
	if not frames.is_empty():
		frames[-1].more = false
		_batch += 1
	return frames


func _note_reported(assets: Array) -> void:
	for asset: Dictionary in assets:
		_store.reported_at = maxi(_store.reported_at, _imported_at(asset.path))
	_store.keep_reports(assets.map(func(asset: Dictionary) -> String: return asset.path), _connection.instance())


func _keep_fresh(assets: Array) -> void:
	for asset: Dictionary in assets:
		_fresh[asset.path] = true


func _on_reimporting(_paths: PackedStringArray) -> void:
	_importing = true


func _on_reimported(paths: PackedStringArray) -> void:
	_importing = false
	for path in paths:
		if not _ours.has(path) and open_settings(path):
			_fresh[path] = true


# Godot imports new files before addons are loaded: those are newer than the last report.
func _look_back() -> void:
	if is_importing() or not _files.get_filesystem():
		return
	_first_scan_over = true
	_collect(_files.get_filesystem(), _store.reported_at)


func _collect(folder: EditorFileSystemDirectory, since: int) -> void:
	for i in folder.get_subdir_count():
		_collect(folder.get_subdir(i), since)
	for i in folder.get_file_count():
		var path := folder.get_file_path(i)
		if _imported_at(path) > since and open_settings(path):
			_fresh[path] = true


# Seconds since 1970; 0 where it isn't imported.
func _imported_at(path: String) -> int:
	return FileAccess.get_modified_time(_md5_file(path)) if FileAccess.file_exists(_md5_file(path)) else 0


# Godot's own name for it.
func _md5_file(path: String) -> String:
	return _imported.path_join("%s-%s.md5" % [path.get_file(), path.md5_text()])
