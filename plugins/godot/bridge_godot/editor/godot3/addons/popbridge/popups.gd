tool
extends Node
# The open popups: one card for each id in the dock, or in a dialog that blocks nothing.

signal answered(popup_id, state, action, values)

const Card = preload("card.gd")
const Connection = preload("connection.gd")
const Dock = preload("dock.gd")
const Texts = preload("texts.gd")

# For tests without a person: this action answers every popup that has it.
const TEST_ANSWER = "POPBRIDGE_TEST_ANSWER"

const DIALOG = Vector2(480, 200)

var _connection: Connection
var _dock: Dock
var _texts: Texts
var _base: Control
var _scale = 1.0
# id -> {"popup", "card", "dialog", "settled"}
var _open = {}


func setup(connection: Connection, dock: Dock, texts: Texts, interface: EditorInterface):
	_connection = connection
	_dock = dock
	_texts = texts
	_base = interface.get_base_control()
	_scale = interface.get_editor_scale()


# Godot 3 has no toasts: what wishes for one is shown in the dock.
func show(popup: Dictionary):
	if _open.has(popup.id):
		return
	var card = Card.new()
	card.connect("answered", self, "_on_answered")
	var dialog = _dialog(popup, card) if popup.get("present") == "modal" else null
	if not dialog:
		_dock.add_card(card)
	card.setup(popup, _texts, _scale)
	_open[popup.id] = {"popup": popup, "card": card, "dialog": dialog, "settled": false}
	if popup.has("image"):
		_load_image(popup.image, card)
	if popup.has("expires_ms"):
		get_tree().create_timer(popup.expires_ms / 1000.0).connect("timeout", self, "_on_expired", [popup.id])
	# In the next frame: a control that was just added has no place yet.
	call_deferred("_offer", popup.id)


func close(popup_id: int):
	if not _open.has(popup_id):
		return
	var shown = _open[popup_id]
	_open.erase(popup_id)
	if shown.dialog:
		shown.dialog.queue_free()
	else:
		_dock.remove_card(shown.card)
	_focus_first()


# All but these were closed while the editor was away; an answer that isn't confirmed yet is sent again.
func close_others(popup_ids: Array):
	for popup_id in _open.keys():
		if not _open[popup_id].settled and not popup_ids.has(popup_id):
			close(popup_id)


func close_all():
	for popup_id in _open.keys():
		close(popup_id)


func _offer(popup_id: int):
	if not _open.has(popup_id):
		return
	var wanted = OS.get_environment(TEST_ANSWER)
	for action in _open[popup_id].popup.actions:
		if wanted and action.id == wanted:
			_on_answered(popup_id, "answered", wanted, {})
			return
	var dialog = _open[popup_id].dialog
	if dialog:
		dialog.rect_size.y = max(dialog.rect_size.y, _open[popup_id].card.get_combined_minimum_size().y)
		_open[popup_id].card.focus_default(_dock)
	else:
		_focus_first()


# Enter presses the oldest open popup's default button.
func _focus_first():
	for popup_id in _open:
		if _open[popup_id].card.has_focus_inside():
			return
	for popup_id in _open:
		if not _open[popup_id].settled:
			_open[popup_id].card.focus_default(_dock)
			return


func _on_answered(popup_id: int, state: String, action: String, values: Dictionary):
	if _open.has(popup_id) and not _open[popup_id].settled:
		_open[popup_id].settled = true
		_open[popup_id].card.settle(_texts.of("sending" if _connection.is_open() else "kept"))
		if _open[popup_id].dialog:
			_open[popup_id].dialog.hide()
		emit_signal("answered", popup_id, state, action, values)
		_focus_first()


func _on_expired(popup_id: int):
	_on_answered(popup_id, "expired", "", {})


# Shown, not popped up: the editor stays usable beside it. Closing it dismisses the popup.
func _dialog(popup: Dictionary, card: Card) -> WindowDialog:
	var dialog = WindowDialog.new()
	dialog.window_title = "PopBridge"
	dialog.resizable = true
	_base.add_child(dialog)
	dialog.add_child(card)
	card.set_anchors_and_margins_preset(Control.PRESET_WIDE)
	dialog.rect_size = DIALOG * _scale
	dialog.rect_position = (_base.rect_size - dialog.rect_size) / 2
	dialog.connect("hide", self, "_on_answered", [popup.id, "dismissed", "", {}])
	dialog.show()
	return dialog


func _load_image(sha256: String, card: Card):
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
