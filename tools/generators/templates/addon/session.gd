@tool
extends Node
# One session over many sockets: acknowledges messages, replies to each command once, resends unconfirmed answers.

signal popup_shown(popup: Dictionary)
signal popup_closed(popup_id: int, reason: String)
signal popups_void
signal popup_progressed(progress: Dictionary)
# `reply` is a `result` or an `error`.
signal replied(id: int, reply: Dictionary)
signal command_received(command: Dictionary)
signal command_cancelled(command_id: int)

const Connection := preload("connection.gd")
const Protocol := preload("protocol.gd")
const SessionStore := preload("session_store.gd")
const Text := preload("text.gd")

# An acknowledgement covers everything that was handled in this time.
const ACK_DELAY_MS := 50

var _connection: Connection
var _store: SessionStore
var _text: Text
# The highest number received, and the numbers of the commands in progress.
var _received := 0
var _in_progress := {}
var _acked := 0
var _ack_due := 0
var _lost_at := 0
# Answers of this frame.
var _unsent := []
# The id of the last request, and those without a reply.
var _last_request := 0
var _requests := {}


func setup(connection: Connection, store: SessionStore, text: Text) -> void:
	_connection = connection
	_store = store
	_text = text
	_received = store.last_seq
	_connection.opened.connect(_on_opened)
	_connection.lost.connect(_on_lost)
	_connection.forgotten.connect(_on_forgotten)
	_connection.received.connect(_on_received)


# Stores the answer until `popup_close` confirms it. `fields` are those of an `answer`, without the id.
func answer(popup_id: int, fields: Dictionary) -> void:
	var message := fields.duplicate()
	message["type"] = "answer"
	message["id"] = popup_id
	_store.store_answer(message)
	_unsent.append(message)


# Sends a request and returns its id; -1 if it can't be sent. `replied` tells the reply, unless the connection is lost.
func ask(workload: String, params: Dictionary) -> int:
	_last_request += 1
	if not _connection.send({"type": "request", "id": _last_request, "workload": workload, "params": params}):
		return -1
	_requests[_last_request] = true
	return _last_request


# Replies to `command`, once: `fields` are those of a `result` or an `error`, without the id.
func reply(command: Dictionary, fields: Dictionary) -> void:
	if command.get("session") != _store.session:
		return
	var message := _fit_into_frame(command, fields)
	if not command.has("seq"):
		_connection.send(message)
		return
	_store.store_reply(command.seq, message)
	if _connection.send(message):
		_finish(command.seq)


# Writes the answers of this frame to the disk together, then sends them.
func send_answers() -> void:
	_store.save_changes()
	for message: Dictionary in _unsent:
		_connection.send(message)
	_unsent.clear()


func _process(_delta: float) -> void:
	send_answers()
	if _connection.is_active() and _handled() > _acked and Time.get_ticks_msec() >= _ack_due:
		_acked = _handled()
		_store.save()
		_connection.send({"type": "ack", "seq": _acked})


func _on_opened(_ready: Dictionary) -> void:
	_acked = _store.last_seq
	for message: Dictionary in _store.answers():
		_connection.send(message)
	# Replies sent shortly before the socket was lost may not have arrived; the daemon ignores repeated ones.
	for message: Dictionary in _store.replies_since(_lost_at - int(2 * _connection.hello.heartbeat_s)):
		_connection.send(message)


func _on_lost() -> void:
	_requests.clear()
	_lost_at = int(Time.get_unix_time_from_system())


func _on_forgotten() -> void:
	_received = 0
	_in_progress.clear()
	_acked = 0
	popups_void.emit()


func _on_received(message: Dictionary) -> void:
	if message.has("seq"):
		if message.seq <= _received:
			_repeat_reply(message)
			return
		_received = message.seq
		_in_progress[message.seq] = true
	match message.type:
		"command":
			# An editor that was killed may have stored its reply but not that it handled the command.
			if _repeat_reply(message):
				return
			# No other session gets the reply.
			message["session"] = _store.session
			command_received.emit(message)
			return
		"popup":
			if not _store.has_answer(message.id):
				popup_shown.emit(message)
		"popup_close":
			_store.delete_answer(message.id)
			popup_closed.emit(message.id, message.reason)
		"popup_progress":
			popup_progressed.emit(message)
		"result", "error":
			if _requests.erase(message.get("id", -1)):
				replied.emit(message.id, message)
		"cancel":
			command_cancelled.emit(message.id)
	if message.has("seq"):
		_finish(message.seq)


# Replies again to a command that comes again, without executing it. Returns whether a reply was stored.
func _repeat_reply(message: Dictionary) -> bool:
	var stored := _store.reply_to(message.get("seq", 0)) if message.type == "command" else {}
	if not stored.is_empty() and _connection.send(stored):
		_finish(message.seq)
	return not stored.is_empty()


func _finish(seq: int) -> void:
	_in_progress.erase(seq)
	_ack_due = Time.get_ticks_msec() + ACK_DELAY_MS
	# Saved with the acknowledgement: what isn't acknowledged comes again and is recognised.
	_store.last_seq = maxi(_store.last_seq, _handled())


# Returns the highest number up to which everything is handled.
func _handled() -> int:
	return _received if _in_progress.is_empty() else int(_in_progress.keys().min()) - 1


func _fit_into_frame(command: Dictionary, fields: Dictionary) -> Dictionary:
	var message := fields.duplicate()
	message["id"] = command.id
	if command.name in ["texture.apply", "texture.revert"] and message.get("value") is Dictionary:
		_shorten_errors(message)
	if _connection.size_of(message) <= _connection.frame_limit():
		return message
	return {
		"type": "error",
		"id": command.id,
		"code": Protocol.ERROR_TOO_LARGE,
		"message": _text.say("The reply to {command} is larger than a frame. Request fewer files at once.",
				{"command": command.name}),
	}


# Removes errors from a reply that is too large: without `before` nobody could revert the change.
func _shorten_errors(message: Dictionary) -> void:
	var value: Dictionary = message.value
	var count: int = value.errors.size()
	while count > 0 and _connection.size_of(message) > _connection.frame_limit():
		count = count >> 1
		var errors: Array = value.errors.duplicate()
		errors.resize(count)
		var more := _text.say("More errors, not listed: {n}", {"n": value.errors.size() - count})
		errors.append({"path": "", "message": more})
		message["value"] = value.duplicate()
		message["value"]["errors"] = errors
