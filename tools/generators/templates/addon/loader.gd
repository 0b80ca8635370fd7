@tool
extends Node
# Loads what the cards show from the daemon: blobs, pictures and explanations.

# `bytes` is empty if the blob can't be loaded.
signal fetched(sha: String, bytes: PackedByteArray)
signal picture_loaded
# `reply` is the daemon's `result`; empty if it can't explain the texture.
signal explained(path: String, reply: Dictionary)

const Connection := preload("connection.gd")
#if godot3
const HttpsRequest = preload("https_request.gd")
#endif
const Session := preload("session.gd")

# Requests at a time; the newest first, as a list that is scrolled asks for more than it still shows.
const MAX_REQUESTS := 4
const MAX_WAITING := 64
# Pictures in memory.
const MAX_PICTURES := 512
const EXPLAIN := "texture.explain"

var _connection: Connection
var _session: Session
# Blobs to fetch, the newest last.
var _waiting := []
# Blobs on the way: sha -> the request's node.
var _requests := {}
# sha -> texture, the latest used last; null if the blob isn't a picture.
var _pictures := {}
# Blobs that are fetched for their picture.
var _is_picture := {}
# id of a request -> path of the texture.
var _asked := {}


func setup(connection: Connection, session: Session) -> void:
	_connection = connection
	_session = session
	_session.replied.connect(_on_replied)
	_connection.lost.connect(_on_lost)


# Emits `fetched` later.
func fetch(sha: String) -> void:
	_waiting.append(sha)
	_start_next()


# Returns the picture; null until `picture_loaded`, and if it can't be loaded.
func picture(sha: String) -> Texture2D:
	if _pictures.has(sha):
		var found: Texture2D = _pictures[sha]
		_pictures.erase(sha)
		_pictures[sha] = found
		return found
	if not _is_picture.has(sha):
		_is_picture[sha] = true
		_waiting.append(sha)
		while _waiting.size() > MAX_WAITING:
			_is_picture.erase(_waiting.pop_front())
		# Not now: the caller draws.
		call_deferred("_start_next")
	return null


# Emits `explained` later.
func explain(path: String) -> void:
	var id := _session.ask(EXPLAIN, {"path": path})
	if id < 0:
		explained.emit(path, {})
	else:
		_asked[id] = path


# Returns the image; null if the bytes aren't one.
static func decode(bytes: PackedByteArray) -> Image:
	var image := Image.new()
	var problem := ERR_FILE_UNRECOGNIZED
	match "%02x%02x" % [bytes[0], bytes[1]] if bytes.size() > 1 else "":
		"8950":
			problem = image.load_png_from_buffer(bytes)
		"ffd8":
			problem = image.load_jpg_from_buffer(bytes)
		"5249":
			problem = image.load_webp_from_buffer(bytes)
	return image if problem == OK else null


# Returns a texture of the picture in the bytes; null if they aren't one.
static func to_texture(bytes: PackedByteArray) -> Texture2D:
	var image := decode(bytes)
	if not image:
		return null
#if godot4
	return ImageTexture.create_from_image(image)
#else
	var texture = ImageTexture.new()
	texture.create_from_image(image)
	return texture
#endif


func _start_next() -> void:
	while not _waiting.is_empty() and _requests.size() < MAX_REQUESTS:
		var sha: String = _waiting.pop_back()
		if _requests.has(sha):
			continue
		var request := _new_request()
		_requests[sha] = request
		add_child(request)
		request.request_completed.connect(_on_completed.bind(sha))
		var headers := PackedStringArray(["Authorization: Bearer " + _connection.http_token])
		if request.request("%s/blobs/%s" % [_connection.http, sha], headers) != OK:
			_end(sha, PackedByteArray())


# Trusts the daemon's certificate only.
#if godot4
func _new_request() -> HTTPRequest:
	var request := HTTPRequest.new()
	if _connection.certificate:
		request.set_tls_options(TLSOptions.client(_connection.certificate))
	return request
#else
func _new_request():
	if not _connection.certificate:
		return HTTPRequest.new()
	var request = HttpsRequest.new()
	request.certificate = _connection.certificate
	return request
#endif


func _on_completed(result: int, code: int, _headers: PackedStringArray, bytes: PackedByteArray, sha: String) -> void:
	var is_loaded := result == HTTPRequest.RESULT_SUCCESS and code == 200
	_end(sha, bytes if is_loaded else PackedByteArray())
	_start_next()


func _end(sha: String, bytes: PackedByteArray) -> void:
	_requests[sha].queue_free()
	_requests.erase(sha)
	if _is_picture.erase(sha):
		_pictures[sha] = to_texture(bytes)
		while _pictures.size() > MAX_PICTURES:
			_pictures.erase(_pictures.keys()[0])
		picture_loaded.emit()
	fetched.emit(sha, bytes)


func _on_replied(id: int, reply: Dictionary) -> void:
	if _asked.has(id):
		var path: String = _asked[id]
		_asked.erase(id)
		explained.emit(path, reply if reply.type == "result" else {})


# What couldn't be loaded is tried again with the next connection.
func _on_lost() -> void:
	_asked.clear()
	for sha: String in _pictures.keys():
		if not _pictures[sha]:
			_pictures.erase(sha)
