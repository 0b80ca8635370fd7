tool
extends Reference
# What must outlive the editor: the session, answers and replies not known to have arrived, states before a change.
# `.import` is never committed, and the editor leaves foreign files in it alone.

const FOLDER = "res://.import"
const PATH = FOLDER + "/popbridge.json"
const KEPT_REPLIES = 64
const KEPT_REPORTS = 2000

const Msgpack = preload("msgpack.g.gd")

var session = ""
var resume_token = ""
var last_seq = 0
# The newest import, of any texture, that was reported: seconds since 1970; 0 where none was yet.
var reported_at = 0

var _answers = {}
var _replies = []
var _before = {}
# The daemon that was told of imports last, and what it may not have heard: path -> seconds since 1970.
var _told = ""
var _reports = {}
var _codec = Msgpack.new()
var _is_changed = false


func _init():
	_load()


# The daemon doesn't know the session any more: what belonged to it goes too.
func forget_session():
	session = ""
	resume_token = ""
	last_seq = 0
	_answers.clear()
	_replies.clear()
	_before.clear()
	save()


# An `answer` stays until `popup_close` confirms it. `save_changes` writes it.
func keep_answer(answer: Dictionary):
	_answers[answer.id] = answer
	_is_changed = true


func drop_answer(popup_id: int):
	if _answers.erase(popup_id):
		_is_changed = true


func has_answer(popup_id: int) -> bool:
	return _answers.has(popup_id)


func answers() -> Array:
	return _answers.values()


# The answer to command `seq`, so that a repetition is answered and not carried out.
func keep_reply(seq: int, reply: Dictionary):
	_replies.append({"seq": seq, "at": OS.get_unix_time(), "message": reply})
	while _replies.size() > KEPT_REPLIES:
		_replies.pop_front()
	_before.erase(reply.id)
	save()


# Empty where none is kept.
func reply_to(seq: int) -> Dictionary:
	for kept in _replies:
		if kept.seq == seq:
			return kept.message
	return {}


func replies_since(time: int) -> Array:
	var recent = []
	for kept in _replies:
		if kept.at >= time:
			recent.append(kept.message)
	return recent


# The state before command `id` changes anything: path -> options.
func keep_before(id: int, state: Dictionary):
	_before[id] = state
	save()


func before(id: int) -> Dictionary:
	return _before.get(id, {})


# Nothing acknowledges a report of imports: it may be lost with the daemon that it was sent to.
func keep_reports(paths: Array, instance: String):
	_told = instance
	for path in paths:
		_reports.erase(path)
		_reports[path] = OS.get_unix_time()
	var oldest_first = _reports.keys()
	for i in range(_reports.size() - KEPT_REPORTS):
		_reports.erase(oldest_first[i])
	save()


# The daemon `instance` has lived on for so long that it has heard what is older.
func drop_reports(instance: String, older_than_s: int):
	var before_all = _reports.size()
	for path in _reports.keys() if instance == _told else []:
		if _reports[path] < OS.get_unix_time() - older_than_s:
			_reports.erase(path)
	if _reports.size() < before_all:
		save()


# Paths that the daemon before `instance` may not have heard; empty where there was no other.
func reports_missed_by(instance: String) -> Array:
	return _reports.keys() if instance != _told else []


# Many answers, and confirmations, come at once: writing each of them would hold the editor up.
func save_changes():
	if _is_changed:
		save()


func save():
	_is_changed = false
	var directory = Directory.new()
	directory.make_dir_recursive(FOLDER)
	var problem = _write(PATH + ".tmp", JSON.print(_as_json(), " ").to_utf8())
	if problem == OK:
		# In one step, so that a killed editor leaves the old state or the new.
		problem = directory.rename(PATH + ".tmp", PATH)
	if problem != OK:
		printerr("PopBridge: %s can't be written (error %d): make the folder writable, or room on the disk, or an "
				% [PATH, problem] + "answer may be lost when the editor closes.")


func _as_json() -> Dictionary:
	return {
		"session": session,
		"resume_token": resume_token,
		"last_seq": last_seq,
		"reported_at": reported_at,
		"kept": Marshalls.raw_to_base64(_codec.encode([_answers, _replies, _before, _told, _reports])),
	}


func _load():
	# Windows renames over a file in two steps: an editor that was killed between them left only the new one.
	var state = _read(PATH)
	if state.empty():
		state = _read(PATH + ".tmp")
		if state.empty():
			return
		# Else the next would be written over it, for which there may be no room.
		var directory = Directory.new()
		directory.rename(PATH + ".tmp", PATH)
	session = str(state.get("session", ""))
	resume_token = str(state.get("resume_token", ""))
	last_seq = int(state.get("last_seq", 0))
	reported_at = int(state.get("reported_at", 0))
	# JSON makes every number a float in Godot 3: what goes on the wire keeps its types as msgpack.
	var kept = _codec.decode(Marshalls.base64_to_raw(str(state.get("kept", ""))))
	if kept is Array and kept.size() >= 3:
		_answers = kept[0]
		_replies = kept[1]
		_before = kept[2]
	# What an older addon didn't keep starts empty.
	if kept is Array and kept.size() >= 5:
		_told = kept[3]
		_reports = kept[4]


static func _write(path: String, bytes: PoolByteArray) -> int:
	var file = File.new()
	var problem = file.open(path, File.WRITE)
	if problem != OK:
		return problem
	file.store_buffer(bytes)
	file.close()
	# Of a full disk, which has taken a part, Godot tells nobody who asks.
	problem = file.open(path, File.READ)
	if problem == OK and file.get_len() != bytes.size():
		problem = ERR_FILE_CANT_WRITE
	file.close()
	return problem


# Empty where there is nothing, or only a part.
func _read(path: String) -> Dictionary:
	var file = File.new()
	if file.open(path, File.READ) != OK:
		return {}
	var state = JSON.parse(file.get_as_text()).result
	file.close()
	return state if state is Dictionary else {}
