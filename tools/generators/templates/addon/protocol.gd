@tool
extends RefCounted
# The protocol's numbers, codes and messages.

#constants

const KINDS = {
	"int": [TYPE_INT],
	"float": [TYPE_FLOAT, TYPE_INT],
	"str": [TYPE_STRING],
	"bool": [TYPE_BOOL],
	"bin": [TYPE_PACKED_BYTE_ARRAY],
	"list": [TYPE_ARRAY],
	"map": [TYPE_DICTIONARY],
}


# Returns why `message` isn't a valid message of `table`, or an empty string.
static func problem(message, table) -> String:
	if not message is Dictionary or not message.has("type"):
		return "it has no type"
	if not table.has(message.type):
		return "this addon doesn't know the type %s" % str(message.type)
	var fields = table[message.type]
	for name in fields.required:
		if not message.has(name):
			return "%s.%s is missing" % [message.type, name]
	for name in message:
		var kind = fields.required.get(name, fields.optional.get(name, "any"))
		if kind != "any" and not typeof(message[name]) in KINDS[kind]:
			return "%s.%s isn't of type %s" % [message.type, name, kind]
	return ""
