tool
extends PanelContainer
# One popup: title, preview, body, fields and a button for each action.

# `state` is "answered" or "dismissed".
signal answered(popup_id, state, action, values)

const Fields = preload("fields.gd")
const Markup = preload("markup.gd")
const Texts = preload("texts.gd")

const PREVIEW = 96
const STRIPE = 4
# Text that is higher scrolls by itself: the buttons stay in sight.
const BODY_HEIGHT = 220
# A key that was meant for something else must not press a button that has just got the focus.
const GUARD_MS = 400
const SEVERITIES = {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup = {}

var _texts: Texts
var _body = RichTextLabel.new()
var _buttons = HFlowContainer.new()
var _default: Button
var _fields = Fields.new()
var _note = Label.new()
var _preview = TextureRect.new()
var _scale = 1.0
var _armed_at = 0


# Call it when the card is in the tree: it takes the editor's fonts and colours from there.
func setup(shown: Dictionary, texts: Texts, editor_scale: float):
	popup = shown
	_texts = texts
	_scale = editor_scale
	size_flags_horizontal = SIZE_EXPAND_FILL
	add_stylebox_override("panel", _frame())
	var rows = VBoxContainer.new()
	rows.add_constant_override("separation", int(8 * _scale))
	add_child(rows)
	rows.add_child(_head())
	rows.add_child(_content())
	_fields.setup(popup.get("fields", []))
	rows.add_child(_fields)
	_add_buttons()
	rows.add_child(_buttons)
	_note.autowrap = true
	_note.visible = false
	rows.add_child(_note)


# Enter presses the default button from now on, unless the person works outside of `dock` or types: the next key would
# be meant for that.
func focus_default(dock: Control):
	var focused = get_focus_owner()
	var is_free = not focused or dock.is_a_parent_of(focused)
	if _default and is_visible_in_tree() and is_free and not (focused is TextEdit or focused is LineEdit):
		_armed_at = OS.get_ticks_msec() + GUARD_MS
		_default.grab_focus()


func has_focus_inside() -> bool:
	var focused = get_focus_owner()
	return focused != null and focused.is_visible_in_tree() and is_a_parent_of(focused)


# The person has chosen: nothing to press any more until the daemon confirms it.
func settle(note: String):
	_buttons.visible = false
	_fields.visible = false
	_note.text = note
	_note.visible = true


func show_preview(texture: Texture):
	_preview.texture = texture
	_preview.visible = true


func show_no_preview():
	_note.text = _texts.of("no_image")
	_note.visible = true


func _head() -> Control:
	var row = HBoxContainer.new()
	var title = Label.new()
	title.text = popup.title
	title.autowrap = true
	title.size_flags_horizontal = SIZE_EXPAND_FILL
	title.add_font_override("font", get_font("bold", "EditorFonts"))
	row.add_child(title)
	var close = ToolButton.new()
	close.icon = get_icon("Close", "EditorIcons")
	close.hint_tooltip = _texts.of("dismiss")
	close.size_flags_vertical = 0
	close.connect("pressed", self, "_choose", ["dismissed", ""])
	row.add_child(close)
	return row


func _content() -> Control:
	var row = HBoxContainer.new()
	row.add_constant_override("separation", int(8 * _scale))
	_preview.expand = true
	_preview.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	_preview.rect_min_size = Vector2(PREVIEW, PREVIEW) * _scale
	_preview.size_flags_vertical = 0
	_preview.visible = false
	row.add_child(_preview)
	_write_body()
	row.add_child(_body)
	return row


func _write_body():
	_body.fit_content_height = true
	_body.selection_enabled = true
	_body.size_flags_horizontal = SIZE_EXPAND_FILL
	_body.add_font_override("bold_font", get_font("bold", "EditorFonts"))
	_body.add_font_override("mono_font", get_font("source", "EditorFonts"))
	_body.add_stylebox_override("normal", StyleBoxEmpty.new())
	_body.add_stylebox_override("focus", StyleBoxEmpty.new())
	_body.connect("meta_clicked", self, "_on_link")
	# Godot 3 knows the text's height at the card's width only when it has drawn it.
	_body.connect("draw", self, "_fit", [], CONNECT_DEFERRED)
	Markup.write(popup.body, _body)


func _fit():
	var is_long = _body.get_content_height() > BODY_HEIGHT * _scale
	if is_long == _body.fit_content_height:
		_body.fit_content_height = not is_long
		_body.rect_min_size.y = BODY_HEIGHT * _scale if is_long else 0.0


func _add_buttons():
	for action in popup.actions:
		var button = Button.new()
		button.text = action.label
		button.connect("pressed", self, "_choose", ["answered", action.id])
		_style(button, action.get("style", "normal"))
		if action.get("default", false):
			_default = button
		_buttons.add_child(button)


func _style(button: Button, style: String):
	if style == "danger":
		button.add_color_override("font_color", get_color("error_color", "Editor"))
	elif style == "primary":
		var fill = get_stylebox("normal", "Button").duplicate()
		if fill is StyleBoxFlat:
			fill.bg_color = get_color("accent_color", "Editor").darkened(0.45)
			button.add_stylebox_override("normal", fill)
			var focus = fill.duplicate()
			focus.border_color = get_color("accent_color", "Editor")
			focus.set_border_width_all(int(max(1, _scale)))
			button.add_stylebox_override("focus", focus)


func _choose(state: String, action: String):
	if OS.get_ticks_msec() < _armed_at:
		return
	emit_signal("answered", popup.id, state, action, _fields.values() if state == "answered" else {})


func _on_link(target):
	# Only what the pattern lets through: http and https.
	OS.shell_open(str(target))


func _frame() -> StyleBoxFlat:
	var frame = StyleBoxFlat.new()
	frame.bg_color = get_color("dark_color_1", "Editor")
	frame.border_color = get_color(SEVERITIES.get(popup.get("severity"), "accent_color"), "Editor")
	frame.border_width_left = int(STRIPE * _scale)
	frame.set_corner_radius_all(int(3 * _scale))
	for side in [MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM]:
		frame.set_default_margin(side, 10 * _scale)
	return frame
