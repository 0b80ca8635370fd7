@tool
extends RefCounted
# Reads and writes whole files.


# Returns the JSON object in the file; an empty one if there is none.
static func read_json(path: String) -> Dictionary:
#if godot4
	if not FileAccess.file_exists(path):
		return {}
	var json := JSON.new()
	if json.parse(FileAccess.get_file_as_string(path)) != OK or not json.data is Dictionary:
		return {}
	return json.data
#else
	var file = File.new()
	if file.open(path, File.READ) != OK:
		return {}
	var content = JSON.parse(file.get_as_text()).result
	file.close()
	return content if content is Dictionary else {}
#endif


# Returns the JSON value in UTF-8 bytes; null if they aren't JSON.
static func parse_json(bytes: PackedByteArray) -> Variant:
#if godot4
	var json := JSON.new()
	return json.data if json.parse(bytes.get_string_from_utf8()) == OK else null
#else
	return JSON.parse(bytes.get_string_from_utf8()).result
#endif


# Replaces the file in one step: a killed editor leaves the old content or the new.
static func replace(path: String, bytes: PackedByteArray) -> Error:
	DirAccess.make_dir_recursive_absolute(path.get_base_dir())
	var problem := _write(path + ".tmp", bytes)
	return DirAccess.rename_absolute(path + ".tmp", path) if problem == OK else problem


static func _write(path: String, bytes: PackedByteArray) -> Error:
#if godot4
	var file := FileAccess.open(path, FileAccess.WRITE)
	if not file:
		return FileAccess.get_open_error()
	file.store_buffer(bytes)
	file.close()
	# Godot reports no error when the disk is full and only part was written.
	var written := FileAccess.open(path, FileAccess.READ)
	return OK if written and written.get_length() == bytes.size() else ERR_FILE_CANT_WRITE
#else
	var file = File.new()
	var problem = file.open(path, File.WRITE)
	if problem != OK:
		return problem
	file.store_buffer(bytes)
	file.close()
	# Godot reports no error when the disk is full and only part was written.
	problem = file.open(path, File.READ)
	if problem == OK and file.get_len() != bytes.size():
		problem = ERR_FILE_CANT_WRITE
	file.close()
	return problem
#endif
