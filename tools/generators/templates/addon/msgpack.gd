@tool
extends RefCounted
# MessagePack: null, bool, int, float, String, PackedByteArray, Array and Dictionary to bytes and back.
# https://github.com/msgpack/msgpack/blob/master/spec.md

const MAX_DEPTH = 64

# Why the last `decode` or `encode` failed; empty if it didn't.
var error := ""

var _stream := StreamPeerBuffer.new()


func _init() -> void:
	_stream.big_endian = true


# Returns `value` as MessagePack. If it has a part of another type, returns no bytes and sets `error`.
func encode(value: Variant) -> PackedByteArray:
	error = ""
	_stream.clear()
	_put(value, 0)
	return PackedByteArray() if error else _stream.data_array


# Returns the value in `bytes`. If they aren't exactly one value, returns null and sets `error`.
func decode(bytes: PackedByteArray) -> Variant:
	error = ""
	_stream.data_array = bytes
	_stream.seek(0)
	var value = _take(0)
	if not error and _left() > 0:
		error = "%d bytes after the value" % _left()
	return null if error else value


func _put(value: Variant, depth: int) -> void:
	if depth > MAX_DEPTH:
		error = "nested deeper than %d" % MAX_DEPTH
		return
	match typeof(value):
		TYPE_NIL:
			_stream.put_u8(0xc0)
		TYPE_BOOL:
			_stream.put_u8(0xc3 if value else 0xc2)
		TYPE_INT:
			_put_int(value)
		TYPE_FLOAT:
			_stream.put_u8(0xcb)
			_stream.put_double(value)
#if godot4
		TYPE_STRING, TYPE_STRING_NAME:
			_put_string(str(value))
#else
		TYPE_STRING:
			_put_string(value)
#endif
		TYPE_PACKED_BYTE_ARRAY:
			_put_size(value.size(), -1, 0, 0xc4, 0xc5, 0xc6)
			_put_bytes(value)
#if godot4
		TYPE_ARRAY, TYPE_PACKED_STRING_ARRAY, TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY, \
				TYPE_PACKED_FLOAT32_ARRAY, TYPE_PACKED_FLOAT64_ARRAY:
#else
		TYPE_ARRAY, TYPE_STRING_ARRAY, TYPE_INT_ARRAY, TYPE_REAL_ARRAY:
#endif
			_put_size(value.size(), 15, 0x90, -1, 0xdc, 0xdd)
			for item in value:
				_put(item, depth + 1)
		TYPE_DICTIONARY:
			_put_size(value.size(), 15, 0x80, -1, 0xde, 0xdf)
			for key in value:
				_put(key, depth + 1)
				_put(value[key], depth + 1)
		_:
			error = "a value of Godot's type %d can't be sent" % typeof(value)


func _put_int(value: int) -> void:
	if value >= 0:
		_put_unsigned(value)
	elif value >= -0x20:
		_stream.put_8(value)
	elif value >= -0x80:
		_stream.put_u8(0xd0)
		_stream.put_8(value)
	elif value >= -0x8000:
		_stream.put_u8(0xd1)
		_stream.put_16(value)
	elif value >= -0x80000000:
		_stream.put_u8(0xd2)
		_stream.put_32(value)
	else:
		_stream.put_u8(0xd3)
		_stream.put_64(value)


func _put_unsigned(value: int) -> void:
	if value < 0x80:
		_stream.put_u8(value)
	elif value <= 0xff:
		_stream.put_u8(0xcc)
		_stream.put_u8(value)
	elif value <= 0xffff:
		_stream.put_u8(0xcd)
		_stream.put_u16(value)
	elif value <= 0xffffffff:
		_stream.put_u8(0xce)
		_stream.put_u32(value)
	else:
		_stream.put_u8(0xcf)
		_stream.put_u64(value)


func _put_string(value: String) -> void:
	var bytes := value.to_utf8_buffer()
	_put_size(bytes.size(), 31, 0xa0, 0xd9, 0xda, 0xdb)
	_put_bytes(bytes)


# The shortest head for `size`; a code of -1 is one that this kind doesn't have.
func _put_size(size: int, largest_fixed: int, fixed: int, code8: int, code16: int, code32: int) -> void:
	if size <= largest_fixed:
		_stream.put_u8(fixed | size)
	elif code8 >= 0 and size <= 0xff:
		_stream.put_u8(code8)
		_stream.put_u8(size)
	elif size <= 0xffff:
		_stream.put_u8(code16)
		_stream.put_u16(size)
	else:
		_stream.put_u8(code32)
		_stream.put_u32(size)


func _put_bytes(bytes: PackedByteArray) -> void:
	if bytes.size() > 0:
		_stream.put_data(bytes)


func _take(depth: int) -> Variant:
	if depth > MAX_DEPTH:
		return _fail("nested deeper than %d" % MAX_DEPTH)
	if not _has(1):
		return null
	var code = _stream.get_u8()
	if code < 0x80:
		return code
	if code >= 0xe0:
		return code - 0x100
	if code < 0x90:
		return _take_map(code & 0x0f, depth)
	if code < 0xa0:
		return _take_array(code & 0x0f, depth)
	if code < 0xc0:
		return _take_string(code & 0x1f)
	return _take_coded(code, depth)


func _take_coded(code: int, depth: int) -> Variant:
	match code:
		0xc0:
			return null
		0xc2:
			return false
		0xc3:
			return true
		0xc4, 0xc5, 0xc6:
			return _take_bytes(_take_unsigned(1 << (code - 0xc4)))
		0xca:
			return _stream.get_float() if _has(4) else 0.0
		0xcb:
			return _stream.get_double() if _has(8) else 0.0
		0xcc, 0xcd, 0xce, 0xcf:
			return _take_unsigned(1 << (code - 0xcc))
		0xd0, 0xd1, 0xd2, 0xd3:
			return _take_signed(1 << (code - 0xd0))
		0xd9, 0xda, 0xdb:
			return _take_string(_take_unsigned(1 << (code - 0xd9)))
		0xdc, 0xdd:
			return _take_array(_take_unsigned(2 << (code - 0xdc)), depth)
		0xde, 0xdf:
			return _take_map(_take_unsigned(2 << (code - 0xde)), depth)
	return _fail("byte 0x%02x isn't used here" % code)


func _take_unsigned(width: int) -> int:
	if not _has(width):
		return 0
	match width:
		1:
			return _stream.get_u8()
		2:
			return _stream.get_u16()
		4:
			return _stream.get_u32()
	var value = _stream.get_u64()
	if value < 0:
		# Godot's integers are signed.
		_fail("an integer above 2^63 - 1")
	return value


func _take_signed(width: int) -> int:
	if not _has(width):
		return 0
	match width:
		1:
			return _stream.get_8()
		2:
			return _stream.get_16()
		4:
			return _stream.get_32()
	return _stream.get_64()


func _take_bytes(size: int) -> PackedByteArray:
	if error or size == 0 or not _has(size):
		return PackedByteArray()
	return _stream.get_data(size)[1]


func _take_string(size: int) -> String:
	var bytes := _take_bytes(size)
#if godot3
	# Most strings are ASCII, and the check below is slow.
	if error or size == 0:
		return ""
	var ascii = bytes.get_string_from_ascii()
	if ascii.to_utf8() == bytes:
		return ascii
#endif
	# Godot replaces invalid bytes; Godot 4 also prints an error for each.
	if not _is_utf8(bytes):
		_fail("a string that isn't UTF-8")
	return "" if error else _text(bytes)


# Godot's strings end at a zero byte.
func _text(bytes: PackedByteArray) -> String:
#if godot4
	var parts := PackedStringArray()
	var start := 0
	var zero := bytes.find(0)
	while zero >= 0:
		parts.append(bytes.slice(start, zero).get_string_from_utf8())
		start = zero + 1
		zero = bytes.find(0, start)
	parts.append(bytes.slice(start).get_string_from_utf8())
	return "\ufffd".join(parts)
#else
	var without_zeros = PoolByteArray()
	for byte in bytes:
		if byte != 0:
			without_zeros.append(byte)
	return without_zeros.get_string_from_utf8()
#endif


# RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
func _is_utf8(bytes: PackedByteArray) -> bool:
	var at := 0
	while at < bytes.size():
		var lead := bytes[at]
		var more := 0
		if lead >= 0x80:
			more = 1 if lead >= 0xc2 and lead < 0xe0 else 2 if lead >= 0xe0 and lead < 0xf0 else 3
			if lead < 0xc2 or lead > 0xf4 or at + more >= bytes.size():
				return false
			var second := bytes[at + 1]
			if (lead == 0xe0 and second < 0xa0) or (lead == 0xed and second > 0x9f) \
					or (lead == 0xf0 and second < 0x90) or (lead == 0xf4 and second > 0x8f):
				return false
		for i in more:
			if bytes[at + 1 + i] & 0xc0 != 0x80:
				return false
		at += 1 + more
	return true


func _take_array(size: int, depth: int) -> Array:
	var items = []
	# Each item is a byte at least: a forged size can't make Godot reserve gigabytes.
	if error or not _has(size):
		return items
	for _i in size:
		items.append(_take(depth + 1))
		if error:
			break
	return items


func _take_map(size: int, depth: int) -> Dictionary:
	var map = {}
	if error or not _has(size * 2):
		return map
	for _i in size:
		var key = _take(depth + 1)
		if not error and not typeof(key) in [TYPE_STRING, TYPE_INT]:
			_fail("a map's key that is neither text nor an integer")
		if error:
			break
		map[key] = _take(depth + 1)
	return map


func _has(size: int) -> bool:
	if not error and _left() < size:
		_fail("%d bytes are missing" % (size - _left()))
	return not error


func _left() -> int:
	return _stream.get_size() - _stream.get_position()


func _fail(reason: String) -> Variant:
	if not error:
		error = reason
	return null
