@tool
extends RefCounted
# What must survive a restart of the editor: the session, unconfirmed answers and replies, settings before a change.
# The file is in the project's data folder (`.import`, `.godot`), which isn't committed.

const Files := preload("files.gd")
const Msgpack := preload("msgpack.gd")

#if godot4
const FILE := "popbridge.state"
#else
const FILE := "popbridge.json"
#endif
const MAX_REPLIES := 64
const MAX_REPORTS := 2000

var session := ""
var resume_token := ""
var last_seq := 0
# When the newest import that was reported happened: seconds since 1970; 0 if none was reported.
var reported_at := 0

var _path := ""
# Answers to popups that `popup_close` hasn't confirmed: popup id -> message.
var _answers := {}
# Replies to commands: [{"seq", "at", "message"}].
var _replies := []
# Settings before a command: command id -> {path: options}.
var _before := {}
# Reports that the daemon of this instance may not have read: path -> seconds since 1970.
var _reported_to := ""
var _reports := {}
var _codec := Msgpack.new()
var _is_changed := false


func _init(folder: String) -> void:
	_path = folder.path_join(FILE)
	_load()


# The daemon doesn't know the session any more.
func forget_session() -> void:
	session = ""
	resume_token = ""
	last_seq = 0
	_answers.clear()
	_replies.clear()
	_before.clear()
	save()


# Stores an `answer` until `popup_close` confirms it. `save_changes` writes it.
func store_answer(answer: Dictionary) -> void:
	_answers[answer.id] = answer
	_is_changed = true


func delete_answer(popup_id: int) -> void:
	if _answers.erase(popup_id):
		_is_changed = true


func has_answer(popup_id: int) -> bool:
	return _answers.has(popup_id)


func answers() -> Array:
	return _answers.values()


# Stores the reply to command `seq`: if the command comes again, it isn't executed again.
func store_reply(seq: int, reply: Dictionary) -> void:
	_replies.append({"seq": seq, "at": _now(), "message": reply})
	while _replies.size() > MAX_REPLIES:
		_replies.pop_front()
	_before.erase(reply.id)
	save()


# Empty if there is none.
func reply_to(seq: int) -> Dictionary:
	for reply: Dictionary in _replies:
		if reply.seq == seq:
			return reply.message
	return {}


func replies_since(time: int) -> Array:
	var recent := []
	for reply: Dictionary in _replies:
		if reply.at >= time:
			recent.append(reply.message)
	return recent


# Stores the settings before command `id` changes any: path -> options.
func store_before(id: int, settings: Dictionary) -> void:
	_before[id] = settings
	save()


func before(id: int) -> Dictionary:
	return _before.get(id, {})


# Stores reported imports. Nothing acknowledges a report: it is lost if the daemon ends before it reads it.
func store_reports(paths: Array, instance: String) -> void:
	_reported_to = instance
	for path: String in paths:
		_reports.erase(path)
		_reports[path] = _now()
	var oldest_first := _reports.keys()
	for i: int in maxi(0, _reports.size() - MAX_REPORTS):
		_reports.erase(oldest_first[i])
	save()


# The daemon `instance` has run long enough to have read reports that are older than this.
func delete_reports(instance: String, older_than_s: int) -> void:
	var count := _reports.size()
	for path: String in _reports.keys() if instance == _reported_to else []:
		if _reports[path] < _now() - older_than_s:
			_reports.erase(path)
	if _reports.size() < count:
		save()


# Returns the paths that another daemon than `instance` may not have read.
func reports_missed_by(instance: String) -> Array:
	return _reports.keys() if instance != _reported_to else []


# Many answers may come at once: writing the file for each would block the editor.
func save_changes() -> void:
	if _is_changed:
		save()


func save() -> void:
	_is_changed = false
	var problem := Files.replace(_path, _encode())
	if problem != OK:
		printerr("PopBridge: %s can't be written (error %d). Make the folder writable or free disk space; otherwise "
				% [_path, problem] + "answers may be lost when the editor closes.")


func _load() -> void:
	# Windows replaces a file in two steps: an editor that was killed between them left only the new file.
	var state := _read(_path)
	if state.is_empty():
		state = _read(_path + ".tmp")
		if state.is_empty():
			return
		# Otherwise the next `save` would overwrite it, and the disk may be full.
		DirAccess.rename_absolute(_path + ".tmp", _path)
	session = str(state.get("session", ""))
	resume_token = str(state.get("resume_token", ""))
	last_seq = int(state.get("last_seq", 0))
	reported_at = int(state.get("reported_at", 0))
	# Older addons stored less.
	_answers = state.get("answers", {})
	_replies = state.get("replies", [])
	_before = state.get("before", {})
	_reported_to = state.get("told", "")
	_reports = state.get("reports", {})


#if godot4
func _encode() -> PackedByteArray:
	return _codec.encode({
		"session": session,
		"resume_token": resume_token,
		"last_seq": last_seq,
		"reported_at": reported_at,
		"answers": _answers,
		"replies": _replies,
		"before": _before,
		"told": _reported_to,
		"reports": _reports,
	})


# Empty if the file is missing or incomplete.
func _read(path: String) -> Dictionary:
	if not FileAccess.file_exists(path):
		return {}
	var state: Variant = _codec.decode(FileAccess.get_file_as_bytes(path))
	return state if state is Dictionary else {}
#else
# JSON makes every number a float in Godot 3; MessagePack keeps the types of what is sent.
func _encode() -> PackedByteArray:
	var messages = _codec.encode([_answers, _replies, _before, _reported_to, _reports])
	return JSON.print({
		"session": session,
		"resume_token": resume_token,
		"last_seq": last_seq,
		"reported_at": reported_at,
		"kept": Marshalls.raw_to_base64(messages),
	}, " ").to_utf8()


# Empty if the file is missing or incomplete.
func _read(path: String) -> Dictionary:
	var state = Files.read_json(path)
	var messages = _codec.decode(Marshalls.base64_to_raw(str(state.get("kept", ""))))
	if messages is Array:
		var names = ["answers", "replies", "before", "told", "reports"]
		for i in min(names.size(), messages.size()):
			state[names[i]] = messages[i]
	return state
#endif


static func _now() -> int:
	return int(Time.get_unix_time_from_system())
