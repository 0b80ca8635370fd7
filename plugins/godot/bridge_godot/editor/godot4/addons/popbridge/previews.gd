@tool
extends RefCounted
# Fetches a popup's picture for its card.

const Card := preload("card.gd")
const Connection := preload("connection.gd")

var _connection: Connection


func _init(connection: Connection) -> void:
	_connection = connection


func load_into(card: Card, sha256: String) -> void:
	var http := HTTPRequest.new()
	card.add_child(http)
	http.request_completed.connect(_on_image.bind(card))
	var problem := http.request("%s/blobs/%s" % [_connection.http, sha256],
			PackedStringArray(["Authorization: Bearer " + _connection.token]))
	if problem != OK:
		card.show_no_preview()


func _on_image(result: int, code: int, _headers: PackedStringArray, bytes: PackedByteArray, card: Card) -> void:
	var image := Image.new()
	if result == HTTPRequest.RESULT_SUCCESS and code == 200 and _decode(bytes, image) == OK:
		card.show_preview(ImageTexture.create_from_image(image))
	else:
		card.show_no_preview()


static func _decode(bytes: PackedByteArray, image: Image) -> Error:
	match bytes.slice(0, 2).hex_encode():
		"8950":
			return image.load_png_from_buffer(bytes)
		"ffd8":
			return image.load_jpg_from_buffer(bytes)
		"5249":
			return image.load_webp_from_buffer(bytes)
	return ERR_FILE_UNRECOGNIZED
