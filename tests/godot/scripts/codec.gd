extends SceneTree
# Decodes each line's hex and encodes it again: prints the same hex, or what was wrong.


func _init() -> void:
	var codec = load("res://addons/popbridge/msgpack.gd").new()
	var protocol = load("res://addons/popbridge/protocol.gd")
#if godot4
	var text := FileAccess.get_file_as_string("res://vectors.txt")
#else
	var file = File.new()
	file.open("res://vectors.txt", File.READ)
	var text = file.get_as_text()
#endif
	for line: String in text.split("\n", false):
		var value: Variant = codec.decode(_bytes(line.strip_edges()))
		print("frame: ")
		if codec.error:
			print("refused: ", codec.error)
		else:
			print("again: ", codec.encode(value).hex_encode())
			print("problem: ", protocol.problem(value, protocol.SERVER_MESSAGES))
	quit()


func _bytes(hex: String) -> PackedByteArray:
#if godot4
	return hex.hex_decode()
#else
	var bytes = PoolByteArray()
	for i in range(0, hex.length(), 2):
		bytes.append(("0x" + hex.substr(i, 2)).hex_to_int())
	return bytes
#endif
