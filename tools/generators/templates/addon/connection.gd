@tool
extends Node
# Connects to the daemon: finds it, lets it prove that it is the daemon, identifies the editor, resumes the session, and
# retries with backoff.

# The session is open.
signal opened(ready: Dictionary)
# The socket of an open session is lost; the session isn't.
signal lost
# The daemon doesn't know the session any more.
signal forgotten
# A message of an open session.
signal received(message: Dictionary)
signal status_changed

enum Status { SEARCHING, CONNECTING, OPEN, RETRYING }
# What is wrong with the program that answers on the daemon's port: it can't prove that it is the daemon, it is a daemon
# that is too old for that, or its certificate wasn't accepted, if there is one.
enum Doubt { NONE, STRANGER, OUTDATED, UNVERIFIED }

const Identity := preload("identity.gd")
const Msgpack := preload("msgpack.gd")
const Proof := preload("proof.gd")
const Protocol := preload("protocol.gd")
const SessionStore := preload("session_store.gd")

const FIRST_BACKOFF_S := 0.25
const MAX_BACKOFF_S := 8.0
const JITTER := 0.25
# Godot's default buffer, 64 KiB, is smaller than a frame.
const BUFFER_BYTES := 4 * 1024 * 1024
# While more than this is unsent, frames wait here: Godot's buffer must not overflow.
const MAX_UNSENT_BYTES := 1024 * 1024
#if godot4
# If the socket wasn't polled for so long, the editor itself was busy.
const STALL_MS := 1000
#endif

var status := Status.SEARCHING
# Why the daemon closed the connection, if it refused it.
var refusal := ""
# What the last attempt to connect found.
var doubt := Doubt.NONE
# `hello` and `ready` of the open session.
var hello := {}
var welcome := {}
# For blobs: the address from connection.json, and the token from `ready`.
var http := ""
var http_token := ""
# What the daemon's certificate must be issued by; null without TLS.
var certificate: X509Certificate
# While true, nothing is read: Godot 4 processes frames, and this node, during a reimport.
var paused := false

var _identity: Identity
var _store: SessionStore
var _codec := Msgpack.new()
var _backoff_s := FIRST_BACKOFF_S
var _retry_at := 0
#if godot4
var _peer: WebSocketPeer
var _polled_at := 0
#else
var _client: WebSocketClient
#endif
var _unsent := []
var _is_broken := false
var _proof: Proof
# Whether the daemon has proved that it knows the token. Before that, nothing is sent, and nothing else is believed.
var _is_proven := false
# What this attempt has found.
var _suspicion := Doubt.NONE
# The daemon accepted the connection but sent no `ready` in time.
var _timed_out := false
var _open_by := 0


func setup(identity: Identity, store: SessionStore) -> void:
	_identity = identity
	_store = store


func is_open() -> bool:
	return status == Status.OPEN


# Whether the session is open and the editor isn't in the middle of a reimport.
func is_active() -> bool:
	return is_open() and not paused


# Looks for the daemon at once, and often again: it is being started.
func hurry() -> void:
	_backoff_s = FIRST_BACKOFF_S
	_retry_at = 0


# Returns the id of the daemon's process.
func instance() -> String:
	return str(hello.server.get("instance", "")) if hello.has("server") else ""


# Returns the size of the largest frame that the daemon accepts, in bytes.
func frame_limit() -> int:
	return int(hello.limits.get("frame", Protocol.MAX_FRAME)) if hello.has("limits") else Protocol.MAX_FRAME


# Returns the size of `message` in a frame, in bytes.
func size_of(message: Variant) -> int:
	return _codec.encode(message).size()


# Returns whether the message was sent or queued.
func send(message: Dictionary) -> bool:
	return is_open() and _send(message)


#if godot4
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
		if Time.get_ticks_msec() >= _retry_at:
			_connect()
		return
	_set_heartbeat()
	_peer.poll()
	_read()
	if not _peer:
		return
	_flush()
	_timed_out = status == Status.CONNECTING and Time.get_ticks_msec() > _open_by
	if _is_broken or _timed_out or _peer.get_ready_state() == WebSocketPeer.STATE_CLOSED:
		_end()


# Detects a daemon that hangs or a broken network, from Godot 4.5 on. Godot checks for a missing pong before it reads,
# so pongs that came while the editor was busy would count as missing.
func _set_heartbeat() -> void:
	if is_open() and "heartbeat_interval" in _peer:
		var was_busy := Time.get_ticks_msec() - _polled_at > STALL_MS
		_peer.set("heartbeat_interval", 0.0 if was_busy else float(hello.heartbeat_s))
	_polled_at = Time.get_ticks_msec()


func _open_socket(url: String) -> void:
	_peer = WebSocketPeer.new()
	_peer.supported_protocols = PackedStringArray([Protocol.SUBPROTOCOL])
	_peer.inbound_buffer_size = BUFFER_BYTES
	_peer.outbound_buffer_size = BUFFER_BYTES
	_set_status(Status.CONNECTING)
	var options: TLSOptions = null
	if certificate:
		options = TLSOptions.client(certificate)
	_is_broken = _peer.connect_to_url(url, options) != OK


func _end() -> void:
	var code := _peer.get_close_code()
	if code > 0:
		_on_close_request(code, _peer.get_close_reason())
	_peer = null
	_report_end()


func _read() -> void:
	while _peer and not paused and not _is_broken and _peer.get_available_packet_count() > 0:
		_on_message(_codec.decode(_peer.get_packet()))


func _flush() -> void:
	while _peer and not _is_broken and not _unsent.is_empty() \
			and _peer.get_current_outbound_buffered_amount() < MAX_UNSENT_BYTES:
		# What can't be sent is lost with the socket; the session sends it again on the next one.
		_is_broken = _peer.put_packet(_unsent.pop_front()) != OK
#else
func close():
	if _client:
		_client.disconnect_from_host(1000, "the editor closes")
		_client.poll()
		_client = null
	status = Status.SEARCHING


func _process(_delta):
	if not _client:
		if Time.get_ticks_msec() >= _retry_at:
			_connect()
		return
	_client.poll()
	_flush()
	_timed_out = status == Status.CONNECTING and Time.get_ticks_msec() > _open_by
	if _is_broken or _timed_out:
		_client = null
		_report_end()


func _open_socket(url: String):
	_client = WebSocketClient.new()
	var kilobytes = BUFFER_BYTES / 1024
	_client.set_buffers(kilobytes, kilobytes, kilobytes, kilobytes)
	_client.verify_ssl = true
	_client.trusted_ssl_certificate = certificate
	_client.connect("connection_established", self, "_on_established")
	_client.connect("connection_error", self, "_on_end")
	_client.connect("connection_closed", self, "_on_end")
	_client.connect("server_close_request", self, "_on_close_request")
	_client.connect("data_received", self, "_on_data")
	_set_status(Status.CONNECTING)
	if _client.connect_to_url(url, PoolStringArray([Protocol.SUBPROTOCOL])) != OK:
		_is_broken = true


func _on_established(_subprotocol):
	_client.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_BINARY)


func _on_end(_was_clean = false):
	_is_broken = true


func _on_data():
	var peer = _client.get_peer(1)
	while not _is_broken and peer.get_available_packet_count() > 0:
		_on_message(_codec.decode(peer.get_packet()))


func _flush():
	while _unsent and not _is_broken \
			and _client.get_peer(1).get_current_outbound_buffered_amount() < MAX_UNSENT_BYTES:
		# What can't be sent is lost with the socket; the session sends it again on the next one.
		_is_broken = _client.get_peer(1).put_packet(_unsent.pop_front()) != OK
#endif


func _connect() -> void:
	_retry_at = Time.get_ticks_msec() + int(_backoff_s * 1000 * (1 + randf() * JITTER))
	_backoff_s = minf(_backoff_s * 2, MAX_BACKOFF_S)
	var content := Identity.read_connection()
	_is_broken = false
	_is_proven = false
	_suspicion = Doubt.NONE
	certificate = null
	_unsent.clear()
	if content.is_empty():
		_report_end()
		return
	_proof = Proof.new(str(content.token), Identity.fingerprint_in(content))
	var is_encrypted := str(content.ws).begins_with("wss:")
	if is_encrypted:
		certificate = Identity.read_certificate(content)
	if _proof.id == "" or (is_encrypted and not certificate):
		_suspicion = Doubt.OUTDATED if _proof.id == "" else Doubt.UNVERIFIED
		_report_end()
		return
	http = str(content.http)
	http_token = ""
	_open_by = Time.get_ticks_msec() + int(Protocol.IDENTIFY_TIMEOUT_S * 1000)
	_open_socket(str(content.ws) + _proof.query())


func _report_end() -> void:
	var was_open := is_open()
	# Godot doesn't tell why a connection with TLS failed.
	if certificate and not _is_proven and _suspicion == Doubt.NONE:
		_suspicion = Doubt.UNVERIFIED
	doubt = _suspicion
	_set_status(Status.RETRYING if refusal or was_open or _timed_out or doubt != Doubt.NONE else Status.SEARCHING)
	if was_open:
		lost.emit()


func _on_close_request(code: int, reason: String) -> void:
	if not _is_proven:
		return
	refusal = ""
	if code == Protocol.CLOSE_SESSION_INVALID:
		_store.forget_session()
		forgotten.emit()
	elif code != Protocol.CLOSE_RESTART:
		refusal = "%d %s" % [code, reason if reason else str(Protocol.CLOSE_SAYS.get(code, ""))]


func _on_message(message: Variant) -> void:
	var problem := _codec.error if _codec.error else Protocol.problem(message, Protocol.SERVER_MESSAGES)
	if not _is_proven and (problem or message.type != "hello" or not _proof.is_valid(message.auth)):
		_suspicion = Doubt.STRANGER
		_is_broken = true
	elif problem:
		# A newer daemon may send messages that this addon doesn't know.
		printerr("PopBridge: ignored a message from the daemon: %s." % problem)
	elif message.type == "hello":
		_on_hello(message)
	elif message.type == "ready":
		_on_ready(message)
	else:
		received.emit(message)


func _on_hello(message: Dictionary) -> void:
	_is_proven = true
	hello = message
	var resume := {}
	if _store.session:
		resume = {"session": _store.session, "token": _store.resume_token, "last_seq": _store.last_seq}
	_send(_identity.identify(_proof.answer(message.auth), resume, message.get("features", [])))


func _on_ready(message: Dictionary) -> void:
	welcome = message
	http_token = str(message.get("http_token", ""))
	refusal = ""
	doubt = Doubt.NONE
	_backoff_s = FIRST_BACKOFF_S
	_retry_at = Time.get_ticks_msec() + int(FIRST_BACKOFF_S * 1000)
	_store.session = message.session
	_store.resume_token = message.resume_token
	_store.save()
	_set_status(Status.OPEN)
	opened.emit(message)


func _send(message: Dictionary) -> bool:
	var frame := _codec.encode(message)
	if _codec.error or frame.size() > frame_limit():
		printerr("PopBridge: couldn't send a message of type %s: %s." % [message.type,
				_codec.error if _codec.error else "its %d bytes exceed the limit of a frame" % frame.size()])
		return false
	_unsent.append(frame)
	_flush()
	return not _is_broken


func _set_status(now: Status) -> void:
	status = now
	status_changed.emit()
