@tool
extends Node
# One session over many sockets: numbers, acknowledgements, commands answered once, answers until confirmed.

signal popup_shown(popup: Dictionary)
signal popup_closed(popup_id: int)
signal popups_void
signal command_given(command: Dictionary)
signal command_cancelled(command_id: int)

const Connection := preload("connection.gd")
const Inbox := preload("inbox.gd")
const Protocol := preload("protocol.g.gd")
const SessionStore := preload("session_store.gd")

# Acknowledgements are cumulative: one for all that was handled in this time.
const ACK_DELAY_MS := 50

var _connection: Connection
var _store: SessionStore
var _inbox := Inbox.new()
var _acked := 0
var _ack_due := 0
var _lost_at := 0
# Answers that were given since the last frame.
var _unsent: Array[Dictionary] = []


func setup(connection: Connection, store: SessionStore) -> void:
	_connection = connection
	_store = store
	_inbox.reset(store.last_seq)
	_connection.opened.connect(_on_opened)
	_connection.lost.connect(_on_lost)
	_connection.forgotten.connect(_on_forgotten)
	_connection.received.connect(_on_received)


# Kept until `popup_close` confirms it; empty `action` for none.
func answer(popup_id: int, state: String, action: String, values: Dictionary) -> void:
	var message := {"type": "answer", "id": popup_id, "state": state}
	if action:
		message["action"] = action
	if not values.is_empty():
		message["values"] = values
	_store.keep_answer(message)
	_unsent.append(message)


# The one answer to `command`: a `result`'s or an `error`'s fields without the id.
func reply(command: Dictionary, fields: Dictionary) -> void:
	if command.get("session") != _store.session:
		return
	var message := _fitting(command, fields)
	if not command.has("seq"):
		_connection.send(message)
		return
	_store.keep_reply(command.seq, message)
	if _connection.send(message):
		_finish(command.seq)


# Once they are on the disk, where those of one frame are written together.
func send_answers() -> void:
	_store.save_changes()
	for message: Dictionary in _unsent:
		_connection.send(message)
	_unsent.clear()


func _process(_delta: float) -> void:
	send_answers()
	if _connection.is_open() and not _connection.paused and _inbox.handled() > _acked \
			and Time.get_ticks_msec() >= _ack_due:
		_acked = _inbox.handled()
		_store.save()
		_connection.send({"type": "ack", "seq": _acked})


func _on_opened(_ready: Dictionary) -> void:
	_acked = _store.last_seq
	for message: Dictionary in _store.answers():
		_connection.send(message)
	# What was sent shortly before the socket went may never have arrived; a reply that comes twice is harmless.
	for message: Dictionary in _store.replies_since(_lost_at - int(2 * _connection.hello.heartbeat_s)):
		_connection.send(message)


func _on_lost() -> void:
	_lost_at = int(Time.get_unix_time_from_system())


func _on_forgotten() -> void:
	_inbox.reset(0)
	_acked = 0
	popups_void.emit()


func _on_received(message: Dictionary) -> void:
	if message.has("seq") and not _inbox.begin(message.seq):
		_repeat(message)
		return
	match message.type:
		"command":
			# An editor that was killed may have kept its answer without knowing any more that it was given.
			if _repeat(message):
				return
			# Its answer is for no later session.
			message["session"] = _store.session
			command_given.emit(message)
			return
		"popup":
			if not _store.has_answer(message.id):
				popup_shown.emit(message)
		"popup_close":
			_store.drop_answer(message.id)
			popup_closed.emit(message.id)
		"cancel":
			command_cancelled.emit(message.id)
	if message.has("seq"):
		_finish(message.seq)


# A command that comes again is answered again, and never carried out twice. Gives whether an answer was kept.
func _repeat(message: Dictionary) -> bool:
	var kept := _store.reply_to(message.get("seq", 0)) if message.type == "command" else {}
	if not kept.is_empty() and _connection.send(kept):
		_finish(message.seq)
	return not kept.is_empty()


func _finish(seq: int) -> void:
	_inbox.finish(seq)
	_ack_due = Time.get_ticks_msec() + ACK_DELAY_MS
	# Written to the disk with the acknowledgement: what isn't acknowledged comes again, and is known by then.
	_store.last_seq = maxi(_store.last_seq, _inbox.handled())


func _fitting(command: Dictionary, fields: Dictionary) -> Dictionary:
	var message := fields.duplicate()
	message["id"] = command.id
	if command.name in ["texture.apply", "texture.revert"] and message.get("value") is Dictionary:
		message["value"] = _shortened(message)
	if _connection.size_of(message) <= _connection.frame_limit():
		return message
	return {
		"type": "error",
		"id": command.id,
		"code": Protocol.ERROR_TOO_LARGE,
		"message": "The answer to %s is more than a frame takes: ask for fewer files at once." % command.name,
	}


# The value of an answer: with fewer errors where it is too large, as nobody could put back what was written else.
func _shortened(message: Dictionary) -> Dictionary:
	var value: Dictionary = message.value
	var errors: Array = value.errors
	var kept := errors.size()
	var shortened := message.duplicate()
	while kept > 0 and _connection.size_of(shortened) > _connection.frame_limit():
		@warning_ignore("integer_division")
		kept = kept / 2
		shortened["value"] = value.duplicate()
		var more := "%d more errors don't fit into a frame." % (errors.size() - kept)
		shortened["value"]["errors"] = errors.slice(0, kept) + [{"path": "", "message": more}]
	return shortened.value
