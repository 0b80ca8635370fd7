extends SceneTree
# Decodes each line's hex and encodes it again: the same hex, or what was wrong.


func _init() -> void:
	var codec: RefCounted = load("res://addons/popbridge/msgpack.gd").new()
	var protocol: GDScript = load("res://addons/popbridge/protocol.gd")
	for line in FileAccess.get_file_as_string("res://vectors.txt").split("\n", false):
		var value: Variant = codec.decode(line.strip_edges().hex_decode())
		print("frame: ")
		if codec.error:
			print("refused: ", codec.error)
		else:
			print("again: ", codec.encode(value).hex_encode())
			print("problem: ", protocol.problem(value, protocol.SERVER_MESSAGES))
	quit()
