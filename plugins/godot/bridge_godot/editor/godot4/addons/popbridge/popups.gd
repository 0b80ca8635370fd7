@tool
extends Node
# The open popups: one card for each id in the dock, or in a window that blocks nothing; a toast tells of it besides.

signal answered(popup_id: int, state: String, action: String, values: Dictionary)

const Card := preload("card.gd")
const Connection := preload("connection.gd")
const Dock := preload("dock.gd")
const Texts := preload("texts.gd")

# For tests without a person: this action answers every popup that has it.
const TEST_ANSWER := "POPBRIDGE_TEST_ANSWER"

const WINDOW := Vector2i(480, 200)
# EditorToaster.Severity, which 4.2 doesn't have yet.
const TOAST := {"info": 0, "warning": 1, "error": 2}

var _connection: Connection
var _dock: Dock
var _texts: Texts
# id -> {"popup", "card", "window", "settled"}
var _open := {}


func setup(connection: Connection, dock: Dock, texts: Texts) -> void:
	_connection = connection
	_dock = dock
	_texts = texts


func show(popup: Dictionary) -> void:
	if _open.has(popup.id):
		return
	var card := Card.new()
	card.answered.connect(_on_answered)
	var window := _window(popup, card) if popup.get("present") == "modal" else null
	if not window:
		_dock.add_card(card)
	card.setup(popup, _texts)
	_open[popup.id] = {"popup": popup, "card": card, "window": window, "settled": false}
	if popup.get("present") == "toast":
		_toast(popup)
	if popup.has("image"):
		_load_image(popup.image, card)
	if popup.has("expires_ms"):
		get_tree().create_timer(popup.expires_ms / 1000.0).timeout.connect(_on_expired.bind(popup.id))
	# In the next frame: a control that was just added has no place yet.
	_offer.call_deferred(popup.id)


func close(popup_id: int) -> void:
	if not _open.has(popup_id):
		return
	var shown: Dictionary = _open[popup_id]
	_open.erase(popup_id)
	if shown.window:
		shown.window.queue_free()
	else:
		_dock.remove_card(shown.card)
	_focus_first()


# All but these were closed while the editor was away; an answer that isn't confirmed yet is sent again.
func close_others(popup_ids: Array) -> void:
	for popup_id: int in _open.keys():
		if not _open[popup_id].settled and not popup_ids.has(popup_id):
			close(popup_id)


func close_all() -> void:
	for popup_id: int in _open.keys():
		close(popup_id)


func _offer(popup_id: int) -> void:
	if not _open.has(popup_id):
		return
	var wanted := OS.get_environment(TEST_ANSWER)
	for action: Dictionary in _open[popup_id].popup.actions:
		if wanted and action.id == wanted:
			_on_answered(popup_id, "answered", wanted, {})
			return
	_open[popup_id].card.fit()
	if _open[popup_id].window:
		_fit(_open[popup_id].window)
		_open[popup_id].card.focus_default(_dock)
	else:
		_focus_first()


# Enter presses the oldest open popup's default button.
func _focus_first() -> void:
	for popup_id: int in _open:
		if _open[popup_id].card.has_focus_inside():
			return
	for popup_id: int in _open:
		if not _open[popup_id].settled:
			_open[popup_id].card.focus_default(_dock)
			return


func _on_answered(popup_id: int, state: String, action: String, values: Dictionary) -> void:
	if _open.has(popup_id) and not _open[popup_id].settled:
		_open[popup_id].settled = true
		if _open[popup_id].window:
			_open[popup_id].window.hide()
		_open[popup_id].card.settle(_texts.of("sending" if _connection.is_open() else "kept"))
		answered.emit(popup_id, state, action, values)
		_focus_first()


func _on_expired(popup_id: int) -> void:
	_on_answered(popup_id, "expired", "", {})


# Not exclusive: the editor stays usable beside it. Closing it dismisses the popup.
func _window(popup: Dictionary, card: Card) -> Window:
	var window := Window.new()
	window.title = "PopBridge"
	window.wrap_controls = true
	window.transient = true
	window.close_requested.connect(_on_answered.bind(popup.id, "dismissed", "", {}))
	window.add_child(card)
	card.set_anchors_preset(Control.PRESET_FULL_RECT)
	EditorInterface.get_base_control().add_child(window)
	window.popup_centered(Vector2i(WINDOW * EditorInterface.get_editor_scale()))
	return window


# As high as the text needs at the window's width, which is known only now.
func _fit(window: Window) -> void:
	window.size = Vector2i(window.size.x, 0)
	window.move_to_center()


# From 4.4. A toast has no buttons: the card is in the dock all the same.
func _toast(popup: Dictionary) -> void:
	if EditorInterface.has_method("get_editor_toaster"):
		var toaster: Object = EditorInterface.call("get_editor_toaster")
		toaster.call("push_toast", popup.title, TOAST.get(popup.get("severity"), 0))


func _load_image(sha256: String, card: Card) -> void:
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
