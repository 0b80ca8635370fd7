@tool
extends RefCounted
# The daemon and the editor prove to each other that they know the token of connection.json, which neither sends: SCRAM
# (RFC 5802) with SHA-256. So a program that has taken the daemon's port learns nothing.

const NONCE_BYTES := 32

# The token's public part; empty for the token of an older daemon, which can't prove itself.
var id := ""
# New for each connection.
var nonce := Crypto.new().generate_random_bytes(NONCE_BYTES).hex_encode()

var _token := PackedByteArray()
var _fingerprint := ""


# `fingerprint` is that of the daemon's certificate; empty without TLS.
func _init(token: String, fingerprint: String) -> void:
	_token = token.to_utf8_buffer()
	_fingerprint = fingerprint
	if "." in token:
		id = token.split(".")[0]


# Returns what the URL of the socket ends with.
func query() -> String:
	return "?token=%s&nonce=%s" % [id, nonce]


# Whether `offer`, the field `auth` of `hello`, shows that the daemon knows the token.
func is_valid(offer: Dictionary) -> bool:
	var expected := _mac(_mac(_token, "Server Key"), "server:" + _message(offer)).hex_encode()
	var sent := str(offer.get("proof", ""))
	return Crypto.new().constant_time_compare(expected.to_utf8_buffer(), sent.to_utf8_buffer())


# Returns the field `auth` of `identify`.
func answer(offer: Dictionary) -> Dictionary:
	var key := _mac(_token, "Client Key")
	var signature := _mac(_digest(key), "client:" + _message(offer))
	for i: int in key.size():
		signature[i] = signature[i] ^ key[i]
	return {"proof": signature.hex_encode(), "nonce": nonce, "id": id}


func _message(offer: Dictionary) -> String:
	return "%s:%s:%s:%s" % [id, nonce, str(offer.get("nonce", "")), _fingerprint]


static func _mac(key: PackedByteArray, message: String) -> PackedByteArray:
	return Crypto.new().hmac_digest(HashingContext.HASH_SHA256, key, message.to_utf8_buffer())


static func _digest(bytes: PackedByteArray) -> PackedByteArray:
	var context := HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	context.update(bytes)
	return context.finish()
