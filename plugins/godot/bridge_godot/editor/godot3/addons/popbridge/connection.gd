tool
extends Node
# One socket after another to the daemon: finds it, identifies, resumes, backs off. Frames in, messages out.

# `ready` came: the session is open.
signal opened(ready)
# An open session's socket is gone; the session isn't.
signal lost()
# The daemon has forgotten the session: what belonged to it is void.
signal forgotten()
# Any message of an open session.
signal received(message)
signal status_changed()

enum Status { SEARCHING, CONNECTING, OPEN, WAITING }

const Backoff = preload("backoff.gd")
const Identity = preload("identity.gd")
const Msgpack = preload("msgpack.g.gd")
const Protocol = preload("protocol.g.gd")
const SessionStore = preload("session_store.gd")

# Kilobytes and packets; Godot's 64 kB is less than one frame.
const BUFFER_KB = 4096
const BUFFER_PACKETS = 4096
# Above this many bytes unsent, frames wait here, so that Godot's buffer never overflows.
const FULL = BUFFER_KB * 1024 / 4

var status: int = Status.SEARCHING
# The daemon's last words, where it refused.
var refusal = ""
# From `hello` and `ready` of the open session.
var hello = {}
var welcome = {}
# From connection.json, for blobs.
var http = ""
var token = ""

var _identity: Identity
var _store: SessionStore
var _codec = Msgpack.new()
var _backoff = Backoff.new()
var _client: WebSocketClient
var _waiting = []
var _over = false
# It stands still: it took the connection, and said nothing.
var _late = false
var _open_by = 0


func setup(identity: Identity, store: SessionStore):
	_identity = identity
	_store = store


func is_open() -> bool:
	return status == Status.OPEN


# Of the daemon of the open session: another each time that it starts.
func instance() -> String:
	return str(hello.server.get("instance", "")) if hello else ""


# Largest frame that the daemon takes, bytes.
func frame_limit() -> int:
	return int(hello.limits.get("frame", Protocol.MAX_FRAME)) if hello else Protocol.MAX_FRAME


# Bytes that `message` takes in a frame.
func size_of(message) -> int:
	return _codec.encode(message).size()


# Whether the message was handed to the socket, or waits for its turn.
func send(message: Dictionary) -> bool:
	return is_open() and _send(message)


func close():
	if _client:
		_client.disconnect_from_host(1000, "the editor closes")
		_client.poll()
		_client = null


func _process(_delta):
	if not _client:
		if _backoff.is_due():
			_connect()
		return
	_client.poll()
	_flush()
	_late = status == Status.CONNECTING and OS.get_ticks_msec() > _open_by
	if _over or _late:
		_end()


func _connect():
	_backoff.wait()
	var file = _identity.read_connection()
	if not file:
		_set_status(Status.SEARCHING)
		return
	http = file.http
	token = file.token
	_over = false
	_waiting.clear()
	_open_by = OS.get_ticks_msec() + int(Protocol.IDENTIFY_TIMEOUT_S * 1000)
	_client = WebSocketClient.new()
	_client.set_buffers(BUFFER_KB, BUFFER_PACKETS, BUFFER_KB, BUFFER_PACKETS)
	_client.connect("connection_established", self, "_on_established")
	_client.connect("connection_error", self, "_on_over")
	_client.connect("connection_closed", self, "_on_over")
	_client.connect("server_close_request", self, "_on_refused")
	_client.connect("data_received", self, "_on_data")
	_set_status(Status.CONNECTING)
	if _client.connect_to_url(file.ws, PoolStringArray([Protocol.SUBPROTOCOL])) != OK:
		_over = true


func _end():
	_client = null
	var was_open = is_open()
	_set_status(Status.WAITING if refusal or was_open or _late else Status.SEARCHING)
	if was_open:
		emit_signal("lost")


func _on_established(_subprotocol):
	_client.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_BINARY)


func _on_over(_was_clean = false):
	_over = true


func _on_refused(code: int, reason: String):
	refusal = "%d %s" % [code, reason if reason else Protocol.CLOSE_SAYS.get(code, "")]
	if code == Protocol.CLOSE_RESTART:
		refusal = ""
	elif code == Protocol.CLOSE_SESSION_INVALID:
		refusal = ""
		_store.forget_session()
		emit_signal("forgotten")


func _on_data():
	var peer = _client.get_peer(1)
	while peer.get_available_packet_count() > 0:
		_on_message(_codec.decode(peer.get_packet()))


func _on_message(message):
	var problem = _codec.error if _codec.error else Protocol.problem(message, Protocol.SERVER_MESSAGES)
	if problem:
		# Newer daemons may say more than this addon knows: the rest still counts.
		printerr("PopBridge: a message from the daemon was passed over: %s." % problem)
	elif message.type == "hello":
		_on_hello(message)
	elif message.type == "ready":
		_on_ready(message)
	else:
		emit_signal("received", message)


func _on_hello(message: Dictionary):
	hello = message
	var resume = {}
	if _store.session:
		resume = {"session": _store.session, "token": _store.resume_token, "last_seq": _store.last_seq}
	_send(_identity.identify(token, resume))


func _on_ready(message: Dictionary):
	welcome = message
	refusal = ""
	_backoff.reset()
	_store.session = message.session
	_store.resume_token = message.resume_token
	_store.save()
	_set_status(Status.OPEN)
	emit_signal("opened", message)


func _send(message: Dictionary) -> bool:
	var frame = _codec.encode(message)
	if _codec.error or frame.size() > frame_limit():
		printerr("PopBridge: a %s wasn't sent: %s." % [message.type,
				_codec.error if _codec.error else "%d bytes are more than a frame takes" % frame.size()])
		return false
	_waiting.append(frame)
	_flush()
	return not _over


func _flush():
	while _waiting and not _over and _client.get_peer(1).get_current_outbound_buffered_amount() < FULL:
		# What can't be sent is gone with the socket: the next one carries what is kept.
		_over = _client.get_peer(1).put_packet(_waiting.pop_front()) != OK


func _set_status(now: int):
	status = now
	emit_signal("status_changed")
