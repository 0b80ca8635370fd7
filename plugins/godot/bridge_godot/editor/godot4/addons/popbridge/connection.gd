@tool
extends Node
# One socket after another to the daemon: finds it, identifies, resumes, backs off. Frames in, messages out.

# `ready` came: the session is open.
signal opened(ready: Dictionary)
# An open session's socket is gone; the session isn't.
signal lost
# The daemon has forgotten the session: what belonged to it is void.
signal forgotten
# Any message of an open session.
signal received(message: Dictionary)
signal status_changed

enum Status { SEARCHING, CONNECTING, OPEN, WAITING }

const Backoff := preload("backoff.gd")
const Identity := preload("identity.gd")
const Msgpack := preload("msgpack.g.gd")
const Protocol := preload("protocol.g.gd")
const SessionStore := preload("session_store.gd")

# Bytes; Godot's own 64 KiB is less than one frame.
const BUFFER := 4 * 1024 * 1024
# Above this much unsent, frames wait here, so that Godot's buffer never overflows.
const FULL := 1024 * 1024
# An editor that hasn't looked at the socket for so long was at work itself.
const STALL_MS := 1000

var status := Status.SEARCHING
# The daemon's last words, where it refused.
var refusal := ""
# From `hello` and `ready` of the open session.
var hello := {}
var welcome := {}
# From connection.json, for blobs.
var http := ""
var token := ""
# While true nothing is read: Godot runs frames, and so this node, in the midst of a reimport.
var paused := false

var _identity: Identity
var _store: SessionStore
var _codec := Msgpack.new()
var _backoff := Backoff.new()
var _peer: WebSocketPeer
var _waiting: Array[PackedByteArray] = []
var _failed := false
# It stands still: it took the connection, and said nothing.
var _late := false
var _open_by := 0
var _polled_at := 0


func setup(identity: Identity, store: SessionStore) -> void:
	_identity = identity
	_store = store


func is_open() -> bool:
	return status == Status.OPEN


# Of the daemon of the open session: another each time that it starts.
func instance() -> String:
	return str(hello.server.get("instance", "")) if hello.has("server") else ""


# Largest frame that the daemon takes, bytes.
func frame_limit() -> int:
	return int(hello.limits.get("frame", Protocol.MAX_FRAME)) if hello.has("limits") else Protocol.MAX_FRAME


# Bytes that `message` takes in a frame.
func size_of(message: Variant) -> int:
	return _codec.encode(message).size()


# Whether the message was handed to the socket, or waits for its turn.
func send(message: Dictionary) -> bool:
	return is_open() and _send(message)


func close() -> void:
	if _peer:
		_peer.close(1000, "the editor closes")
		_peer.poll()
		_peer = null
	status = Status.SEARCHING


func _process(_delta: float) -> void:
	if paused:
		return
	if not _peer:
		if _backoff.is_due():
			_connect()
		return
	_expect_signs_of_life()
	_peer.poll()
	_read()
	if not _peer:
		return
	_flush()
	_late = status == Status.CONNECTING and Time.get_ticks_msec() > _open_by
	if _failed or _late or _peer.get_ready_state() == WebSocketPeer.STATE_CLOSED:
		_end()


# From 4.5: a daemon that stands still, or a network that is gone, closes no socket. Godot asks whether a sign is
# missing before it reads, so that those that came while the editor was at work would be too late.
func _expect_signs_of_life() -> void:
	if is_open() and "heartbeat_interval" in _peer:
		var was_at_work := Time.get_ticks_msec() - _polled_at > STALL_MS
		_peer.set("heartbeat_interval", 0.0 if was_at_work else float(hello.heartbeat_s))
	_polled_at = Time.get_ticks_msec()


func _connect() -> void:
	_backoff.wait()
	var file := Identity.read_connection()
	if file.is_empty():
		_set_status(Status.SEARCHING)
		return
	http = str(file.http)
	token = str(file.token)
	_failed = false
	_waiting.clear()
	_open_by = Time.get_ticks_msec() + int(Protocol.IDENTIFY_TIMEOUT_S * 1000)
	_peer = WebSocketPeer.new()
	_peer.supported_protocols = PackedStringArray([Protocol.SUBPROTOCOL])
	_peer.inbound_buffer_size = BUFFER
	_peer.outbound_buffer_size = BUFFER
	_set_status(Status.CONNECTING)
	_failed = _peer.connect_to_url(str(file.ws)) != OK


func _end() -> void:
	var code := _peer.get_close_code()
	if code > 0:
		_on_refused(code, _peer.get_close_reason())
	_peer = null
	var was_open := is_open()
	_set_status(Status.WAITING if refusal or was_open or _late else Status.SEARCHING)
	if was_open:
		lost.emit()


func _on_refused(code: int, reason: String) -> void:
	refusal = ""
	if code == Protocol.CLOSE_SESSION_INVALID:
		_store.forget_session()
		forgotten.emit()
	elif code != Protocol.CLOSE_RESTART:
		refusal = "%d %s" % [code, reason if reason else str(Protocol.CLOSE_SAYS.get(code, ""))]


func _read() -> void:
	while _peer and not paused and _peer.get_available_packet_count() > 0:
		_on_message(_codec.decode(_peer.get_packet()))


func _on_message(message: Variant) -> void:
	var problem := _codec.error if _codec.error else Protocol.problem(message, Protocol.SERVER_MESSAGES)
	if problem:
		# Newer daemons may say more than this addon knows: the rest still counts.
		printerr("PopBridge: a message from the daemon was passed over: %s." % problem)
	elif message.type == "hello":
		_on_hello(message)
	elif message.type == "ready":
		_on_ready(message)
	else:
		received.emit(message)


func _on_hello(message: Dictionary) -> void:
	hello = message
	var resume := {}
	if _store.session:
		resume = {"session": _store.session, "token": _store.resume_token, "last_seq": _store.last_seq}
	_send(_identity.identify(token, resume))


func _on_ready(message: Dictionary) -> void:
	welcome = message
	refusal = ""
	_backoff.reset()
	_store.session = message.session
	_store.resume_token = message.resume_token
	_store.save()
	_set_status(Status.OPEN)
	opened.emit(message)


func _send(message: Dictionary) -> bool:
	var frame := _codec.encode(message)
	if _codec.error or frame.size() > frame_limit():
		printerr("PopBridge: a %s wasn't sent: %s." % [message.type,
				_codec.error if _codec.error else "%d bytes are more than a frame takes" % frame.size()])
		return false
	_waiting.append(frame)
	_flush()
	return not _failed


func _flush() -> void:
	while _peer and not _failed and not _waiting.is_empty() and _peer.get_current_outbound_buffered_amount() < FULL:
		# What can't be sent is gone with the socket: the next one carries what is kept.
		_failed = _peer.put_packet(_waiting.pop_front()) != OK


func _set_status(now: Status) -> void:
	status = now
	status_changed.emit()
