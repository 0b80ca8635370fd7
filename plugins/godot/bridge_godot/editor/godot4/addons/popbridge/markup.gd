@tool
extends RefCounted
# A popup's body, plain text with **bold**, `code` and links, into a RichTextLabel. Nothing in it is read as BBCode.

const _PATTERN := "\\*\\*(?<bold>.+?)\\*\\*|`(?<code>[^`\\n]+)`" \
		+ "|\\[(?<label>[^\\]\\n]+)\\]\\((?<target>https?://[^\\s)]+)\\)" \
		+ "|(?<bare>https?://[^\\s<>\\[\\]()\"]*[^\\s<>\\[\\]()\".,;:!?])"


static func write(text: String, label: RichTextLabel) -> void:
	var pattern := RegEx.create_from_string(_PATTERN)
	label.clear()
	var at := 0
	for found in pattern.search_all(text):
		label.add_text(text.substr(at, found.get_start() - at))
		_write_found(found, label)
		at = found.get_end()
	label.add_text(text.substr(at))


static func _write_found(found: RegExMatch, label: RichTextLabel) -> void:
	if found.get_string("bold"):
		label.push_bold()
		label.add_text(found.get_string("bold"))
	elif found.get_string("code"):
		label.push_mono()
		label.add_text(found.get_string("code"))
	elif found.get_string("label"):
		label.push_meta(found.get_string("target"))
		label.add_text(found.get_string("label"))
	else:
		label.push_meta(found.get_string("bare"))
		label.add_text(found.get_string("bare"))
	label.pop()
