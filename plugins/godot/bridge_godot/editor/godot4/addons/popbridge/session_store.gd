@tool
extends RefCounted
# What must outlive the editor: the session, answers and replies not known to have arrived, states before a change.
# It lies in the project's data folder (`.godot`), which is never committed. MessagePack keeps the types of numbers.

const Msgpack := preload("msgpack.g.gd")

const FILE := "popbridge.state"
const KEPT_REPLIES := 64
const KEPT_REPORTS := 2000

var session := ""
var resume_token := ""
var last_seq := 0
# The newest import, of any texture, that was reported: seconds since 1970; 0 where none was yet.
var reported_at := 0

var _path := ""
var _answers := {}
var _replies := []
var _before := {}
# The daemon that was told of imports last, and what it may not have heard: path -> seconds since 1970.
var _told := ""
var _reports := {}
var _codec := Msgpack.new()
var _is_changed := false


func _init(folder: String) -> void:
	_path = folder.path_join(FILE)
	_load()


# The daemon doesn't know the session any more: what belonged to it goes too.
func forget_session() -> void:
	session = ""
	resume_token = ""
	last_seq = 0
	_answers.clear()
	_replies.clear()
	_before.clear()
	save()


# An `answer` stays until `popup_close` confirms it. `save_changes` writes it.
func keep_answer(answer: Dictionary) -> void:
	_answers[answer.id] = answer
	_is_changed = true


func drop_answer(popup_id: int) -> void:
	if _answers.erase(popup_id):
		_is_changed = true


func has_answer(popup_id: int) -> bool:
	return _answers.has(popup_id)


func answers() -> Array:
	return _answers.values()


# The answer to command `seq`, so that a repetition is answered and not carried out.
func keep_reply(seq: int, reply: Dictionary) -> void:
	_replies.append({"seq": seq, "at": _now(), "message": reply})
	while _replies.size() > KEPT_REPLIES:
		_replies.pop_front()
	_before.erase(reply.id)
	save()


# Empty where none is kept.
func reply_to(seq: int) -> Dictionary:
	for kept: Dictionary in _replies:
		if kept.seq == seq:
			return kept.message
	return {}


func replies_since(time: int) -> Array:
	return _replies.filter(func(kept: Dictionary) -> bool: return kept.at >= time) \
			.map(func(kept: Dictionary) -> Dictionary: return kept.message)


# The state before command `id` changes anything: path -> options.
func keep_before(id: int, state: Dictionary) -> void:
	_before[id] = state
	save()


func before(id: int) -> Dictionary:
	return _before.get(id, {})


# Nothing acknowledges a report of imports: it may be lost with the daemon that it was sent to.
func keep_reports(paths: Array, instance: String) -> void:
	_told = instance
	for path: String in paths:
		_reports.erase(path)
		_reports[path] = _now()
	for path: String in _reports.keys().slice(0, maxi(0, _reports.size() - KEPT_REPORTS)):
		_reports.erase(path)
	save()


# The daemon `instance` has lived on for so long that it has heard what is older.
func drop_reports(instance: String, older_than_s: int) -> void:
	var before_all := _reports.size()
	for path: String in _reports.keys() if instance == _told else []:
		if _reports[path] < _now() - older_than_s:
			_reports.erase(path)
	if _reports.size() < before_all:
		save()


# Paths that the daemon before `instance` may not have heard; empty where there was no other.
func reports_missed_by(instance: String) -> Array:
	return _reports.keys() if instance != _told else []


# Many answers, and confirmations, come at once: writing each of them would hold the editor up.
func save_changes() -> void:
	if _is_changed:
		save()


func save() -> void:
	_is_changed = false
	DirAccess.make_dir_recursive_absolute(_path.get_base_dir())
	var problem := _write(_path + ".tmp", _codec.encode(_as_map()))
	if problem == OK:
		# In one step, so that a killed editor leaves the old state or the new.
		problem = DirAccess.rename_absolute(_path + ".tmp", _path)
	if problem != OK:
		printerr("PopBridge: %s can't be written (%s): make the folder writable, or room on the disk, or an "
				% [_path, error_string(problem)] + "answer may be lost when the editor closes.")


func _as_map() -> Dictionary:
	return {
		"session": session,
		"resume_token": resume_token,
		"last_seq": last_seq,
		"reported_at": reported_at,
		"answers": _answers,
		"replies": _replies,
		"before": _before,
		"told": _told,
		"reports": _reports,
	}


func _load() -> void:
	# Windows renames over a file in two steps: an editor that was killed between them left only the new one.
	var state := _read(_path)
	if state.is_empty():
		state = _read(_path + ".tmp")
		if state.is_empty():
			return
		# Else the next would be written over it, for which there may be no room.
		DirAccess.rename_absolute(_path + ".tmp", _path)
	# What an older addon didn't keep starts empty.
	state.merge(_as_map())
	session = state.session
	resume_token = state.resume_token
	last_seq = state.last_seq
	reported_at = state.reported_at
	_answers = state.answers
	_replies = state.replies
	_before = state.before
	_told = state.told
	_reports = state.reports


# Empty where there is nothing, or only a part.
func _read(path: String) -> Dictionary:
	if not FileAccess.file_exists(path):
		return {}
	var state: Variant = _codec.decode(FileAccess.get_file_as_bytes(path))
	return state if state is Dictionary else {}


static func _write(path: String, bytes: PackedByteArray) -> Error:
	var file := FileAccess.open(path, FileAccess.WRITE)
	if not file:
		return FileAccess.get_open_error()
	file.store_buffer(bytes)
	file.close()
	# Of a full disk, which has taken a part, Godot says nothing.
	var written := FileAccess.open(path, FileAccess.READ)
	return OK if written and written.get_length() == bytes.size() else ERR_FILE_CANT_WRITE


static func _now() -> int:
	return int(Time.get_unix_time_from_system())
