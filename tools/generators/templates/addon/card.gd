@tool
extends PanelContainer
# One popup as a card: title, preview, body, fields and a button for each action.

# `state` is "answered" or "dismissed"; `others` are the ids of popups that get the same answer.
signal answered(popup_id: int, state: String, action: String, values: Dictionary, others: Array)
# Escape was pressed.
signal escaped
#if godot4
# The body's height was adapted to the available room.
signal fitted
#endif

const Buttons := preload("buttons.gd")
const Controls := preload("controls.gd")
const Dock := preload("dock.gd")
const Fields := preload("fields.gd")
const Text := preload("text.gd")

const MARKUP := "\\*\\*(?<bold>.+?)\\*\\*|`(?<code>[^`\\n]+)`" \
		+ "|\\[(?<label>[^\\]\\n]+)\\]\\((?<target>https?://[^\\s)]+)\\)" \
		+ "|(?<bare>https?://[^\\s<>\\[\\]()\"]*[^\\s<>\\[\\]()\".,;:!?])"
const PREVIEW_SIZE := 72
const STRIPE := 4
const GAP := 8
# The body is at least this high, however little room there is.
const MIN_BODY_HEIGHT := 60
# The title's tooltip has the rest.
const MAX_TITLE_LINES := 5
# A button that has just got the focus ignores keys for this long: they were meant for something else.
const GUARD_MS := 400
const NOTE_OPACITY := 0.85
# How much of the text colour is mixed into the danger colour, which alone is hard to read.
const DANGER_MIX := 0.4
const SEVERITIES := {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup := {}

var _text: Text
var _body := RichTextLabel.new()
var _buttons := Buttons.new()
var _close := Button.new()
var _default: Button
var _fields := Fields.new()
var _apply_to_all := CheckBox.new()
var _note := Label.new()
var _preview := TextureRect.new()
var _title := Label.new()
var _scale := 1.0
# The height that the card may have. A longer body scrolls, so that the buttons stay visible.
var _room := 0.0
var _is_styling := false
var _guarded_until := 0
# The ids of popups of the same kind, this one's among them.
var _same_kind := {}


# Call this when the card is in the tree: it uses the editor's fonts and colours.
func setup(shown: Dictionary, text: Text, editor_scale: float) -> void:
	popup = shown
	_text = text
	_scale = editor_scale
	size_flags_horizontal = SIZE_EXPAND_FILL
	var rows := VBoxContainer.new()
	rows.add_theme_constant_override("separation", int(GAP * _scale))
	add_child(rows)
	rows.add_child(_create_head())
	_style()
#if godot4
	# Before it has its text: Godot 4 takes a minute to add a label with a long one.
	rows.add_child(_body)
	_setup_body()
#else
	_setup_body()
	rows.add_child(_body)
#endif
	rows.add_child(_fields)
	_fields.setup(popup.get("fields", []))
	_fields.escaped.connect(_on_escaped)
	rows.add_child(_buttons)
	_add_buttons()
	_apply_to_all.clip_text = true
	_apply_to_all.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	_apply_to_all.visible = false
	_apply_to_all.gui_input.connect(_on_input.bind(_apply_to_all))
	rows.add_child(_apply_to_all)
	_note.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_note.modulate.a = NOTE_OPACITY
	_note.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_note.visible = false
	Controls.announce(_note)
	rows.add_child(_note)


func set_room(height: float) -> void:
	_room = height
	if popup:
		_fit()


# Offers to answer all popups of the same kind at once: `same_kind` has their ids, this one's among them. A tick applied
# to the popups at that time: it is removed when another one comes.
func offer_for_all(same_kind: Dictionary) -> void:
	if same_kind.size() < 2 or not _same_kind.has_all(same_kind.keys()):
		_apply_to_all.button_pressed = false
	_same_kind = same_kind
	_apply_to_all.visible = same_kind.size() > 1 and _buttons.visible
	_apply_to_all.text = _text.say("Also {n} more of this kind", {"n": same_kind.size() - 1})
	_apply_to_all.tooltip_text = _apply_to_all.text


# A window has its own close button.
func hide_close() -> void:
	_close.visible = false


# Ignores presses for a moment: they were meant for something else.
func guard() -> void:
	_guarded_until = Time.get_ticks_msec() + GUARD_MS


# Gives the default button the focus, unless the person works outside of `dock`, types, or has left the cards: then the
# next key is meant for that. A window has its own focus.
func focus_default(dock: Dock) -> void:
	var focused := get_viewport().gui_get_focus_owner()
	var has_left: bool = dock.has_left and dock.get_viewport() == get_viewport()
	var is_free: bool = not has_left and (not focused or dock.is_ancestor_of(focused))
	if _default and is_visible_in_tree() and is_free and not (focused is TextEdit or focused is LineEdit):
		guard()
		_default.grab_focus()


func has_focus_inside() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return focused != null and focused.is_visible_in_tree() and is_ancestor_of(focused)


# Shows only `note`: the popup is answered and waits for the daemon's confirmation.
func show_note(note: String) -> void:
	for part: Control in [_body, _buttons, _close, _fields, _apply_to_all, _preview]:
		part.visible = false
	_note.text = note
	_note.visible = true


# Loads the preview from the daemon's `url`.
func load_preview(url: String, token: String) -> void:
	var request := HTTPRequest.new()
	add_child(request)
	request.request_completed.connect(_on_preview_loaded)
	if request.request(url, PackedStringArray(["Authorization: Bearer " + token])) != OK:
		_show_preview_error()


# The editor's theme may change while the card is shown.
func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and popup and not _is_styling:
		_style()
		_style_buttons()


func _create_head() -> Control:
	var row := HBoxContainer.new()
	row.add_theme_constant_override("separation", int(GAP * _scale))
	_preview.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	_preview.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	_preview.custom_minimum_size = Vector2(PREVIEW_SIZE, PREVIEW_SIZE) * _scale
	_preview.size_flags_vertical = SIZE_SHRINK_BEGIN
	_preview.visible = false
	Controls.label(_preview, _text.say("Preview"))
	row.add_child(_preview)
	_title.text = popup.title
	_title.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_title.max_lines_visible = MAX_TITLE_LINES
	_title.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	_title.tooltip_text = popup.title
	_title.mouse_filter = MOUSE_FILTER_PASS
	_title.size_flags_horizontal = SIZE_EXPAND_FILL
	_title.size_flags_vertical = SIZE_SHRINK_CENTER
	_title.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	row.add_child(_title)
	_close.flat = true
	_close.tooltip_text = _text.say("Dismiss")
	_close.size_flags_vertical = SIZE_SHRINK_BEGIN
	_close.pressed.connect(_choose.bind("dismissed", ""))
	_close.gui_input.connect(_on_input.bind(_close))
	Controls.label(_close, "%s: %s" % [_close.tooltip_text, popup.title])
	row.add_child(_close)
	return row


func _setup_body() -> void:
	_body.visible = popup.body != ""
	_body.fit_content = true
	_body.selection_enabled = true
	_body.size_flags_horizontal = SIZE_EXPAND_FILL
	_body.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_body.focus_mode = FOCUS_CLICK
	_body.meta_clicked.connect(_on_link)
	_body.gui_input.connect(_on_input.bind(_body))
#if godot4
	# The height of the text depends on its width.
	_body.resized.connect(_fit, CONNECT_DEFERRED)
#else
	# Godot 3 knows the height of the text after it has drawn it.
	_body.draw.connect(_fit, CONNECT_DEFERRED)
#endif
	# The room for the body depends on everything around it.
	minimum_size_changed.connect(_fit, CONNECT_DEFERRED)
	_write_body()
#if godot4
	Controls.label(_body, _body.get_parsed_text())
#endif


# Adds plain text with **bold**, `code` and links. BBCode in it isn't interpreted.
func _write_body() -> void:
	var pattern := RegEx.new()
	pattern.compile(MARKUP)
	var at := 0
	for found: RegExMatch in pattern.search_all(popup.body):
		_body.add_text(popup.body.substr(at, found.get_start() - at))
		if found.get_string("bold"):
			_body.push_bold()
			_body.add_text(found.get_string("bold"))
		elif found.get_string("code"):
			_body.push_mono()
			_body.add_text(found.get_string("code"))
		elif found.get_string("label"):
			_body.push_meta(found.get_string("target"))
			_body.add_text(found.get_string("label"))
		else:
			_body.push_meta(found.get_string("bare"))
			_body.add_text(found.get_string("bare"))
		_body.pop()
		at = found.get_end()
	_body.add_text(popup.body.substr(at))


# Lets a body that is too long scroll; then it can be reached by Tab.
func _fit() -> void:
#if godot4
	# Without a width, each line breaks at each letter: with a long text that takes Godot half a minute.
	if _body.size.x <= 1:
		return
#endif
	var around := get_combined_minimum_size().y - _body.get_combined_minimum_size().y
	var max_height := maxf(MIN_BODY_HEIGHT * _scale, floorf(_room - around))
	var is_long := _body.get_content_height() > max_height
	_body.fit_content = not is_long
	_body.custom_minimum_size.y = max_height if is_long else 0.0
	_body.focus_mode = FOCUS_ALL if is_long else FOCUS_CLICK
#if godot4
	fitted.emit()
#endif


func _add_buttons() -> void:
	_buttons.gap = int(GAP * _scale / 2)
	for action: Dictionary in popup.actions:
		var button := Button.new()
		button.text = action.label
		button.gui_input.connect(_on_input.bind(button))
		button.pressed.connect(_choose.bind("answered", action.id))
#if godot4
		Controls.label(button, action.label, "%s\n%s" % [popup.title, _body.get_parsed_text()])
#endif
		if action.get("default", false):
			_default = button
		_buttons.add(button)
	_style_buttons()


func _style() -> void:
	_is_styling = true
	add_theme_stylebox_override("panel", _create_frame())
	_is_styling = false
	_title.add_theme_font_override("font", get_theme_font("bold", "EditorFonts"))
	_body.add_theme_font_override("bold_font", get_theme_font("bold", "EditorFonts"))
	_body.add_theme_font_override("mono_font", get_theme_font("source", "EditorFonts"))
	_close.icon = get_theme_icon("Close", "EditorIcons")


func _style_buttons() -> void:
	for i: int in popup.actions.size():
		_style_button(_buttons.get_child(i), popup.actions[i].get("style", "normal"))


func _style_button(button: Button, style: String) -> void:
	Controls.fill_button(button, self)
	if style == "danger":
		var text_color := get_theme_color("font_color", "Button")
		text_color.a = 1.0
		var danger_color := get_theme_color("error_color", "Editor").lerp(text_color, DANGER_MIX)
		button.add_theme_color_override("font_color", danger_color)
	elif style == "primary":
		var accent := get_theme_color("accent_color", "Editor")
		for state: String in ["normal", "hover", "focus"]:
			var fill := get_theme_stylebox("normal", "Button").duplicate() as StyleBoxFlat
			if fill:
				fill.bg_color = accent.darkened(0.45 if state != "hover" else 0.3)
				fill.border_color = accent
				fill.set_border_width_all(int(maxf(1, _scale)) if state == "focus" else 0)
				button.add_theme_stylebox_override(state, fill)
		for state: String in ["font_color", "font_hover_color", "font_focus_color"]:
			button.add_theme_color_override(state, Color.WHITE)


func _create_frame() -> StyleBoxFlat:
	var frame := StyleBoxFlat.new()
	frame.bg_color = Controls.card_color(self)
	frame.border_color = get_theme_color(SEVERITIES.get(popup.get("severity"), "accent_color"), "Editor")
	frame.border_width_left = int(STRIPE * _scale)
	frame.set_corner_radius_all(int(3 * _scale))
#if godot4
	frame.set_content_margin_all(10 * _scale)
#else
	for side in [MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM]:
		frame.set_default_margin(side, 10 * _scale)
#endif
	return frame


func _on_preview_loaded(result: int, code: int, _headers: PackedStringArray, bytes: PackedByteArray) -> void:
	var image := Image.new()
	if result != HTTPRequest.RESULT_SUCCESS or code != 200 or _decode_image(bytes, image) != OK:
		_show_preview_error()
		return
#if godot4
	_preview.texture = ImageTexture.create_from_image(image)
#else
	_preview.texture = ImageTexture.new()
	_preview.texture.create_from_image(image)
#endif
	_preview.visible = _buttons.visible


func _show_preview_error() -> void:
	# After an answer, the note shows what becomes of it.
	if _buttons.visible:
		_note.text = _text.say("Can't load the preview.")
		_note.visible = true


static func _decode_image(bytes: PackedByteArray, image: Image) -> Error:
	match "%02x%02x" % [bytes[0], bytes[1]] if bytes.size() > 1 else "":
		"8950":
			return image.load_png_from_buffer(bytes)
		"ffd8":
			return image.load_jpg_from_buffer(bytes)
		"5249":
			return image.load_webp_from_buffer(bytes)
	return ERR_FILE_UNRECOGNIZED


func _choose(state: String, action: String) -> void:
	if Time.get_ticks_msec() < _guarded_until:
		return
	var others := _same_kind.keys() if _apply_to_all.visible and _apply_to_all.button_pressed else []
	answered.emit(popup.id, state, action, _fields.values() if state == "answered" else {}, others)


func _on_input(event: InputEvent, control: Control) -> void:
	if Controls.is_escape(event, control):
		control.accept_event()
		escaped.emit()


func _on_escaped() -> void:
	escaped.emit()


func _on_link(target: Variant) -> void:
	# The pattern matches only http and https.
	OS.shell_open(str(target))
