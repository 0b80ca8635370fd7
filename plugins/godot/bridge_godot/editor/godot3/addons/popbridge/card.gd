tool
extends PanelContainer
# One popup: title, preview, body, fields and a button for each action.

# `state` is "answered" or "dismissed"; `others` are the ids that are to be answered with it.
signal answered(popup_id, state, action, values, others)
# The person doesn't want to answer now.
signal escaped()

const Buttons = preload("buttons.gd")
const Dock = preload("dock.gd")
const Fields = preload("fields.gd")
const Markup = preload("markup.gd")
const Texts = preload("texts.gd")

const PREVIEW = 72
const STRIPE = 4
# So much of the text is shown however little room there is.
const BODY_LEAST = 60
# A key that was meant for something else must not press a button that has just got the focus.
const GUARD_MS = 400
# Of the title; its tooltip has the rest.
const TITLE_LINES = 5
# How much of the text's own colour is in that of danger, which alone is hard to read.
const DANGER_MIX = 0.4
const SEVERITIES = {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup = {}
# The height of what the card lies in. Text that has no room there scrolls by itself: the buttons stay in sight.
var room = 0.0 setget _set_room

var _texts: Texts
var _body = RichTextLabel.new()
var _buttons = Buttons.new()
var _close = ToolButton.new()
var _default: Button
var _fields = Fields.new()
var _for_all = CheckBox.new()
var _note = Label.new()
var _preview = TextureRect.new()
var _scale = 1.0
var _title = Label.new()
var _is_styling = false
var _armed_at = 0
# The ids of those that one answer fits.
var _alike = {}


# Call it when the card is in the tree: it takes the editor's fonts and colours from there.
func setup(shown: Dictionary, texts: Texts, editor_scale: float):
	popup = shown
	_texts = texts
	_scale = editor_scale
	size_flags_horizontal = SIZE_EXPAND_FILL
	var rows = VBoxContainer.new()
	rows.add_constant_override("separation", int(8 * _scale))
	add_child(rows)
	rows.add_child(_head())
	_style()
	_write_body()
	rows.add_child(_body)
	rows.add_child(_fields)
	_fields.setup(popup.get("fields", []))
	_fields.connect("escaped", self, "emit_signal", ["escaped"])
	rows.add_child(_buttons)
	_add_buttons()
	_for_all.clip_text = true
	_for_all.visible = false
	_for_all.connect("gui_input", self, "_on_key")
	rows.add_child(_for_all)
	_note.autowrap = true
	_note.add_stylebox_override("normal", StyleBoxEmpty.new())
	_note.visible = false
	rows.add_child(_note)


# The person may choose another theme while the card is shown.
func _notification(what: int):
	if what == NOTIFICATION_THEME_CHANGED and popup and not _is_styling:
		_style()
		_style_buttons()


# The ids in `alike`, its own among them, are of the same kind. A tick was meant for those that it was set for: it goes
# when another comes.
func offer_for_all(alike: Dictionary):
	if alike.size() < 2 or not _alike.has_all(alike.keys()):
		_for_all.pressed = false
	_alike = alike
	_for_all.visible = alike.size() > 1 and _buttons.visible
	_for_all.text = _texts.of("for_all") % (alike.size() - 1)
	_for_all.hint_tooltip = _for_all.text


# A window has a button of its own for that.
func hide_close():
	_close.visible = false


# What is pressed within the next moment isn't meant for this card.
func guard():
	_armed_at = OS.get_ticks_msec() + GUARD_MS


# Enter presses the default button from now on, unless the person works outside of `dock`, types or has left the cards:
# the next key would be meant for that.
func focus_default(dock: Dock):
	var focused = get_focus_owner()
	var is_free = not dock.has_left and (not focused or dock.is_a_parent_of(focused))
	if _default and is_visible_in_tree() and is_free and not (focused is TextEdit or focused is LineEdit):
		guard()
		_default.grab_focus()


func has_focus_inside() -> bool:
	var focused = get_focus_owner()
	return focused != null and focused.is_visible_in_tree() and is_a_parent_of(focused)


# The person has chosen: nothing to press any more until the daemon confirms it.
func settle(note: String):
	for part in [_body, _buttons, _close, _fields, _for_all, _preview]:
		part.visible = false
	_note.text = note
	_note.visible = true


func show_preview(texture: Texture):
	_preview.texture = texture
	_preview.visible = _buttons.visible


# Once the person has chosen, the note says what becomes of that.
func show_no_preview():
	if _buttons.visible:
		_note.text = _texts.of("no_image")
		_note.visible = true


func _head() -> Control:
	var row = HBoxContainer.new()
	row.add_constant_override("separation", int(8 * _scale))
	_preview.expand = true
	_preview.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	_preview.rect_min_size = Vector2(PREVIEW, PREVIEW) * _scale
	_preview.size_flags_vertical = 0
	_preview.visible = false
	row.add_child(_preview)
	_title.text = popup.title
	_title.autowrap = true
	_title.max_lines_visible = TITLE_LINES
	_title.hint_tooltip = popup.title
	_title.mouse_filter = MOUSE_FILTER_PASS
	_title.size_flags_horizontal = SIZE_EXPAND_FILL
	_title.add_stylebox_override("normal", StyleBoxEmpty.new())
	row.add_child(_title)
	_close.hint_tooltip = _texts.of("dismiss")
	_close.size_flags_vertical = 0
	_close.connect("pressed", self, "_choose", ["dismissed", ""])
	_close.connect("gui_input", self, "_on_key")
	row.add_child(_close)
	return row


func _write_body():
	_body.visible = popup.body != ""
	_body.fit_content_height = true
	_body.selection_enabled = true
	_body.size_flags_horizontal = SIZE_EXPAND_FILL
	_body.add_stylebox_override("normal", StyleBoxEmpty.new())
	_body.focus_mode = FOCUS_CLICK
	_body.connect("meta_clicked", self, "_on_link")
	_body.connect("gui_input", self, "_on_key")
	# Godot 3 knows the text's height at the card's width only when it has drawn it.
	_body.connect("draw", self, "_fit", [], CONNECT_DEFERRED)
	# What there is room for follows from all that lies around it.
	connect("minimum_size_changed", self, "_fit", [], CONNECT_DEFERRED)
	Markup.write(popup.body, _body)


func _set_room(height: float):
	room = height
	if popup:
		_fit()


# What scrolls is reached by Tab too, and shows it.
func _fit():
	var around = get_combined_minimum_size().y - _body.get_combined_minimum_size().y
	var most = max(BODY_LEAST * _scale, floor(room - around))
	var is_long = _body.get_content_height() > most
	_body.fit_content_height = not is_long
	_body.rect_min_size.y = most if is_long else 0.0
	_body.focus_mode = FOCUS_ALL if is_long else FOCUS_CLICK


func _add_buttons():
	_buttons.gap = int(4 * _scale)
	for action in popup.actions:
		var button = Button.new()
		button.text = action.label
		button.connect("gui_input", self, "_on_key")
		button.connect("pressed", self, "_choose", ["answered", action.id])
		if action.get("default", false):
			_default = button
		_buttons.add(button)
	_style_buttons()


# In the colours and fonts of the editor's theme.
func _style():
	_is_styling = true
	add_stylebox_override("panel", _frame())
	_is_styling = false
	_title.add_font_override("font", get_font("bold", "EditorFonts"))
	_body.add_font_override("bold_font", get_font("bold", "EditorFonts"))
	_body.add_font_override("mono_font", get_font("source", "EditorFonts"))
	_close.icon = get_icon("Close", "EditorIcons")


func _style_buttons():
	for i in popup.actions.size():
		_style_button(_buttons.get_child(i), popup.actions[i].get("style", "normal"))


func _style_button(button: Button, style: String):
	var fill = get_stylebox("normal", "Button").duplicate()
	if fill is StyleBoxFlat:
		# With the editor's own fill it couldn't be told from the card's ground.
		fill.bg_color = get_color("base_color", "Editor")
		button.add_stylebox_override("normal", fill)
	if style == "danger":
		var text = get_color("font_color", "Button")
		text.a = 1.0
		var red = get_color("error_color", "Editor").linear_interpolate(text, DANGER_MIX)
		button.add_color_override("font_color", red)
	elif style == "primary":
		if fill is StyleBoxFlat:
			fill.bg_color = get_color("accent_color", "Editor").darkened(0.45)
			var focus = fill.duplicate()
			focus.border_color = get_color("accent_color", "Editor")
			focus.set_border_width_all(int(max(1, _scale)))
			button.add_stylebox_override("focus", focus)
			for state in ["font_color", "font_color_focus"]:
				button.add_color_override(state, Color.white)


func _choose(state: String, action: String):
	if OS.get_ticks_msec() < _armed_at:
		return
	var others = _alike.keys() if _for_all.visible and _for_all.pressed else []
	emit_signal("answered", popup.id, state, action, _fields.values() if state == "answered" else {}, others)


func _on_key(event: InputEvent):
	if event.is_action_pressed("ui_cancel"):
		accept_event()
		emit_signal("escaped")


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
