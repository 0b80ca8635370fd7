extends SceneTree
# Decodes each line's hex and encodes it again: the same hex, or what was wrong.


func _init():
	var codec = load("res://addons/popbridge/msgpack.gd").new()
	var protocol = load("res://addons/popbridge/protocol.gd")
	var file = File.new()
	file.open("res://vectors.txt", File.READ)
	for line in file.get_as_text().split("\n", false):
		var value = codec.decode(_from_hex(line.strip_edges()))
		print("frame: ")
		if codec.error:
			print("refused: ", codec.error)
		else:
			print("again: ", codec.encode(value).hex_encode())
			print("problem: ", protocol.problem(value, protocol.SERVER_MESSAGES))
	quit()


func _from_hex(text: String) -> PoolByteArray:
	var bytes = PoolByteArray()
	for i in range(0, text.length(), 2):
		bytes.append(("0x" + text.substr(i, 2)).hex_to_int())
	return bytes
