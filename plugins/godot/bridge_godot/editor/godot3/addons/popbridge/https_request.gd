tool
extends Node
# An HTTPS GET that trusts one certificate only. Godot 3's HTTPRequest trusts the list of the editor's settings.

signal request_completed(result, code, headers, bytes)

const TIMEOUT_MS = 60000
const MAX_HEAD_BYTES = 65536
const HEAD_END = "\r\n\r\n"
# Reads at a time: the editor draws between them.
const MAX_READS = 64

# What the server's certificate must be issued by.
var certificate

var _tcp = StreamPeerTCP.new()
var _tls = StreamPeerSSL.new()
var _host = ""
# Empty once it is sent.
var _unsent = PoolByteArray()
var _received = PoolByteArray()
var _give_up_at = 0


# Emits `request_completed` later, unless this returns an error. `url` has a port.
func request(url, headers):
	var authority = url.get_slice("/", 2)
	var colon = authority.find_last(":")
	_host = authority.left(colon).lstrip("[").rstrip("]")
	var path = url.substr(url.find(authority) + authority.length())
	var lines = ["GET %s HTTP/1.1" % path, "Host: " + authority, "Connection: close"] + Array(headers)
	_unsent = (PoolStringArray(lines).join("\r\n") + HEAD_END).to_utf8()
	_give_up_at = OS.get_ticks_msec() + TIMEOUT_MS
	_tls.blocking_handshake = false
	return _tcp.connect_to_host(_host, int(authority.substr(colon + 1)))


func _process(_delta):
	if not _give_up_at:
		return
	if OS.get_ticks_msec() > _give_up_at or not _tcp.get_status() in [
			StreamPeerTCP.STATUS_CONNECTING, StreamPeerTCP.STATUS_CONNECTED]:
		_finish(HTTPRequest.RESULT_CONNECTION_ERROR)
	elif _tcp.get_status() == StreamPeerTCP.STATUS_CONNECTED:
		_exchange()


func _exchange():
	if _tls.get_status() == StreamPeerSSL.STATUS_DISCONNECTED \
			and _tls.connect_to_stream(_tcp, true, _host, certificate) != OK:
		_finish(HTTPRequest.RESULT_SSL_HANDSHAKE_ERROR)
		return
	for _i in MAX_READS:
		_tls.poll()
		if _tls.get_status() == StreamPeerSSL.STATUS_HANDSHAKING:
			return
		if _tls.get_status() != StreamPeerSSL.STATUS_CONNECTED:
			_finish(HTTPRequest.RESULT_SSL_HANDSHAKE_ERROR)
			return
		if _unsent:
			_tls.put_data(_unsent)
			_unsent = PoolByteArray()
		var count = _tls.get_available_bytes()
		if count == 0:
			return
		_received.append_array(_tls.get_data(count)[1])
		if _is_complete():
			return


# Ends the request if the whole response is there.
func _is_complete():
	var head = _received.subarray(0, int(min(_received.size(), MAX_HEAD_BYTES)) - 1).get_string_from_ascii()
	var end = head.find(HEAD_END)
	if end < 0:
		return false
	var lines = head.left(end).split("\r\n")
	var begin = end + HEAD_END.length()
	for line in lines:
		if line.to_lower().begins_with("content-length:"):
			var length = int(line.get_slice(":", 1))
			if _received.size() < begin + length:
				return false
			var bytes = _received.subarray(begin, begin + length - 1) if length else PoolByteArray()
			_finish(HTTPRequest.RESULT_SUCCESS, int(lines[0].get_slice(" ", 1)), lines, bytes)
			return true
	return false


func _finish(result, code = 0, headers = PoolStringArray(), bytes = PoolByteArray()):
	_give_up_at = 0
	_tcp.disconnect_from_host()
	emit_signal("request_completed", result, code, headers, bytes)
