@tool
extends PanelContainer
# One popup: title, preview, body, fields and a button for each action.

# `state` is "answered" or "dismissed".
signal answered(popup_id: int, state: String, action: String, values: Dictionary)

const Fields := preload("fields.gd")
const Markup := preload("markup.gd")
const Texts := preload("texts.gd")

const PREVIEW := 72
const STRIPE := 4
const GAP := 8
# Text that is higher scrolls by itself: the buttons stay in sight.
const BODY_HEIGHT := 220
# A key that was meant for something else must not press a button that has just got the focus.
const GUARD_MS := 400
const SEVERITIES := {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup := {}

var _texts: Texts
var _body := RichTextLabel.new()
var _buttons := HFlowContainer.new()
var _default: Button
var _fields := Fields.new()
var _note := Label.new()
var _preview := TextureRect.new()
var _scale := 1.0
var _armed_at := 0


# Call it when the card is in the tree: it takes the editor's fonts and colours from there.
func setup(shown: Dictionary, texts: Texts) -> void:
	popup = shown
	_texts = texts
	_scale = EditorInterface.get_editor_scale()
	size_flags_horizontal = SIZE_EXPAND_FILL
	add_theme_stylebox_override("panel", _frame())
	var rows := VBoxContainer.new()
	rows.add_theme_constant_override("separation", int(GAP * _scale))
	add_child(rows)
	rows.add_child(_head())
	_write_body()
	rows.add_child(_body)
	_fields.setup(popup.get("fields", []))
	rows.add_child(_fields)
	_add_buttons()
	rows.add_child(_buttons)
	_note.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_note.modulate.a = 0.7
	_note.visible = false
	rows.add_child(_note)


# Call it when the card has its width.
func fit() -> void:
	if _body.get_content_height() > BODY_HEIGHT * _scale:
		_body.fit_content = false
		_body.custom_minimum_size.y = BODY_HEIGHT * _scale


# Enter presses the default button from now on, unless the person works outside of `dock` or types: the next key would
# be meant for that.
func focus_default(dock: Control) -> void:
	var focused := get_viewport().gui_get_focus_owner()
	var is_free := not focused or dock.is_ancestor_of(focused)
	if _default and is_visible_in_tree() and is_free and not (focused is TextEdit or focused is LineEdit):
		_armed_at = Time.get_ticks_msec() + GUARD_MS
		_default.grab_focus()


func has_focus_inside() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return focused != null and focused.is_visible_in_tree() and is_ancestor_of(focused)


# The person has chosen: nothing to press any more until the daemon confirms it.
func settle(note: String) -> void:
	for part: Control in [_body, _buttons, _fields, _preview]:
		part.visible = false
	_note.text = note
	_note.visible = true


func show_preview(texture: Texture2D) -> void:
	_preview.texture = texture
	_preview.visible = true


func show_no_preview() -> void:
	_note.text = _texts.of("no_image")
	_note.visible = true


func _head() -> Control:
	var row := HBoxContainer.new()
	row.add_theme_constant_override("separation", int(GAP * _scale))
	_preview.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	_preview.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	_preview.custom_minimum_size = Vector2(PREVIEW, PREVIEW) * _scale
	_preview.visible = false
	row.add_child(_preview)
	var title := Label.new()
	title.text = popup.title
	title.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	title.size_flags_horizontal = SIZE_EXPAND_FILL
	title.size_flags_vertical = SIZE_SHRINK_CENTER
	title.add_theme_font_override("font", get_theme_font("bold", "EditorFonts"))
	row.add_child(title)
	var close := Button.new()
	close.flat = true
	close.icon = get_theme_icon("Close", "EditorIcons")
	close.tooltip_text = _texts.of("dismiss")
	close.size_flags_vertical = SIZE_SHRINK_BEGIN
	close.pressed.connect(_choose.bind("dismissed", ""))
	row.add_child(close)
	return row


func _write_body() -> void:
	_body.fit_content = true
	_body.selection_enabled = true
	_body.size_flags_horizontal = SIZE_EXPAND_FILL
	_body.add_theme_font_override("bold_font", get_theme_font("bold", "EditorFonts"))
	_body.add_theme_font_override("mono_font", get_theme_font("source", "EditorFonts"))
	_body.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_body.add_theme_stylebox_override("focus", StyleBoxEmpty.new())
	_body.meta_clicked.connect(_on_link)
	Markup.write(popup.body, _body)


func _add_buttons() -> void:
	for action: Dictionary in popup.actions:
		var button := Button.new()
		button.text = action.label
		button.pressed.connect(_choose.bind("answered", action.id))
		_style(button, action.get("style", "normal"))
		if action.get("default", false):
			_default = button
		_buttons.add_child(button)


func _style(button: Button, style: String) -> void:
	if style == "danger":
		button.add_theme_color_override("font_color", get_theme_color("error_color", "Editor"))
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


func _choose(state: String, action: String) -> void:
	if Time.get_ticks_msec() < _armed_at:
		return
	answered.emit(popup.id, state, action, _fields.values() if state == "answered" else {})


func _on_link(target: Variant) -> void:
	# Only what the pattern lets through: http and https.
	OS.shell_open(str(target))


func _frame() -> StyleBoxFlat:
	var frame := StyleBoxFlat.new()
	frame.bg_color = get_theme_color("dark_color_1", "Editor")
	frame.border_color = get_theme_color(SEVERITIES.get(popup.get("severity"), "accent_color"), "Editor")
	frame.border_width_left = int(STRIPE * _scale)
	frame.set_corner_radius_all(int(3 * _scale))
	frame.set_content_margin_all(10 * _scale)
	return frame
