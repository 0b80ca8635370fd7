tool
extends Reference
# Fetches a popup's picture for its card.

const Card = preload("card.gd")
const Connection = preload("connection.gd")

var _connection: Connection


func _init(connection: Connection):
	_connection = connection


func load_into(card: Card, sha256: String):
	var http = HTTPRequest.new()
	card.add_child(http)
	http.connect("request_completed", self, "_on_image", [card])
	var problem = http.request("%s/blobs/%s" % [_connection.http, sha256],
			["Authorization: Bearer " + _connection.token])
	if problem != OK:
		card.show_no_preview()


func _on_image(result: int, code: int, _headers, bytes: PoolByteArray, card: Card):
	var image = Image.new()
	if result == HTTPRequest.RESULT_SUCCESS and code == 200 and _decode(bytes, image) == OK:
		var texture = ImageTexture.new()
		texture.create_from_image(image)
		card.show_preview(texture)
	else:
		card.show_no_preview()


func _decode(bytes: PoolByteArray, image: Image) -> int:
	match bytes.subarray(0, 1).hex_encode() if bytes.size() > 1 else "":
		"8950":
			return image.load_png_from_buffer(bytes)
		"ffd8":
			return image.load_jpg_from_buffer(bytes)
		"5249":
			return image.load_webp_from_buffer(bytes)
	return ERR_FILE_UNRECOGNIZED
