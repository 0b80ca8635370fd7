@tool
extends PanelContainer
# One popup: title, preview, body, fields and a button for each action.

# `state` is "answered" or "dismissed"; `others` are the ids that are to be answered with it.
signal answered(popup_id: int, state: String, action: String, values: Dictionary, others: Array)
# The person doesn't want to answer now.
signal escaped
# Its text has got the height that there is room for.
signal fitted

const Accessible := preload("accessible.gd")
const Buttons := preload("buttons.gd")
const Dock := preload("dock.gd")
const Escape := preload("escape.gd")
const Fields := preload("fields.gd")
const Fill := preload("fill.gd")
const Markup := preload("markup.gd")
const Texts := preload("texts.gd")

const PREVIEW := 72
const STRIPE := 4
const GAP := 8
# So much of the text is shown however little room there is.
const BODY_LEAST := 60
# Of the title; its tooltip has the rest.
const TITLE_LINES := 5
# A key that was meant for something else must not press a button that has just got the focus.
const GUARD_MS := 400
const FAINT := 0.85
# How much of the text's own colour is in that of danger, which alone is hard to read.
const DANGER_MIX := 0.4
const SEVERITIES := {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup := {}
# The height of what the card lies in. Text that has no room there scrolls by itself: the buttons stay in sight.
var room := 0.0:
	set(height):
		room = height
		if popup:
			_fit()

var _texts: Texts
var _body := RichTextLabel.new()
var _buttons := Buttons.new()
var _close := Button.new()
var _default: Button
var _fields := Fields.new()
var _for_all := CheckBox.new()
var _note := Label.new()
var _preview := TextureRect.new()
var _scale := 1.0
var _title := Label.new()
var _is_styling := false
var _armed_at := 0
# The ids of those that one answer fits.
var _alike := {}


# Call it when the card is in the tree: it takes the editor's fonts and colours from there.
func setup(shown: Dictionary, texts: Texts) -> void:
	popup = shown
	_texts = texts
	_scale = EditorInterface.get_editor_scale()
	size_flags_horizontal = SIZE_EXPAND_FILL
	var rows := VBoxContainer.new()
	rows.add_theme_constant_override("separation", int(GAP * _scale))
	add_child(rows)
	rows.add_child(_head())
	_style()
	# Before it has its text: with a long one, Godot would take a minute to put it there.
	rows.add_child(_body)
	_write_body()
	rows.add_child(_fields)
	_fields.setup(popup.get("fields", []))
	_fields.escaped.connect(_on_escape)
	rows.add_child(_buttons)
	_add_buttons()
	_for_all.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	_for_all.visible = false
	Escape.watch(_for_all, _on_escape)
	rows.add_child(_for_all)
	_note.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_note.modulate.a = FAINT
	_note.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_note.visible = false
	Accessible.announce(_note)
	rows.add_child(_note)


# The person may choose another theme while the card is shown.
func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and popup and not _is_styling:
		_style()
		_style_buttons()


# The ids in `alike`, its own among them, are of the same kind. A tick was meant for those that it was set for: it goes
# when another comes.
func offer_for_all(alike: Dictionary) -> void:
	if alike.size() < 2 or not _alike.has_all(alike.keys()):
		_for_all.button_pressed = false
	_alike = alike
	_for_all.visible = alike.size() > 1 and _buttons.visible
	_for_all.text = _texts.of("for_all") % (alike.size() - 1)
	_for_all.tooltip_text = _for_all.text


# A window has a button of its own for that.
func hide_close() -> void:
	_close.visible = false


# What is pressed within the next moment isn't meant for this card.
func guard() -> void:
	_armed_at = Time.get_ticks_msec() + GUARD_MS


# Enter presses the default button from now on, unless the person works outside of `dock`, types or has left the cards:
# the next key would be meant for that. A window has keys of its own.
func focus_default(dock: Dock) -> void:
	var focused := get_viewport().gui_get_focus_owner()
	var has_left := dock.has_left and dock.get_viewport() == get_viewport()
	var is_free := not has_left and (not focused or dock.is_ancestor_of(focused))
	if _default and is_visible_in_tree() and is_free and not (focused is TextEdit or focused is LineEdit):
		guard()
		_default.grab_focus()


func has_focus_inside() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return focused != null and focused.is_visible_in_tree() and is_ancestor_of(focused)


# The person has chosen: nothing to press any more until the daemon confirms it.
func settle(note: String) -> void:
	for part: Control in [_body, _buttons, _close, _fields, _for_all, _preview]:
		part.visible = false
	_note.text = note
	_note.visible = true


func show_preview(texture: Texture2D) -> void:
	_preview.texture = texture
	_preview.visible = _buttons.visible


# Once the person has chosen, the note says what becomes of that.
func show_no_preview() -> void:
	if _buttons.visible:
		_note.text = _texts.of("no_image")
		_note.visible = true


func _head() -> Control:
	var row := HBoxContainer.new()
	row.add_theme_constant_override("separation", int(GAP * _scale))
	_preview.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	_preview.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED
	_preview.custom_minimum_size = Vector2(PREVIEW, PREVIEW) * _scale
	_preview.size_flags_vertical = SIZE_SHRINK_BEGIN
	_preview.visible = false
	Accessible.label(_preview, _texts.of("preview"))
	row.add_child(_preview)
	_title.text = popup.title
	_title.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_title.max_lines_visible = TITLE_LINES
	_title.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	_title.tooltip_text = popup.title
	_title.mouse_filter = MOUSE_FILTER_PASS
	_title.size_flags_horizontal = SIZE_EXPAND_FILL
	_title.size_flags_vertical = SIZE_SHRINK_CENTER
	_title.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	row.add_child(_title)
	_close.flat = true
	_close.tooltip_text = _texts.of("dismiss")
	_close.size_flags_vertical = SIZE_SHRINK_BEGIN
	_close.pressed.connect(_choose.bind("dismissed", ""))
	Escape.watch(_close, _on_escape)
	Accessible.label(_close, "%s: %s" % [_close.tooltip_text, popup.title])
	row.add_child(_close)
	return row


func _write_body() -> void:
	_body.visible = popup.body != ""
	_body.fit_content = true
	_body.selection_enabled = true
	_body.size_flags_horizontal = SIZE_EXPAND_FILL
	_body.add_theme_stylebox_override("normal", StyleBoxEmpty.new())
	_body.focus_mode = FOCUS_CLICK
	_body.meta_clicked.connect(_on_link)
	Escape.watch(_body, _on_escape)
	# Its height follows from its width, and what there is room for from all that lies around it.
	_body.resized.connect(_fit, CONNECT_DEFERRED)
	minimum_size_changed.connect(_fit, CONNECT_DEFERRED)
	Markup.write(popup.body, _body)
	Accessible.label(_body, _body.get_parsed_text())


# What scrolls is reached by Tab too, and shows it.
func _fit() -> void:
	# At no width each line would be broken at each letter: with a long text that takes Godot half a minute.
	if _body.size.x <= 1:
		return
	var around := get_combined_minimum_size().y - _body.get_combined_minimum_size().y
	var most := maxf(BODY_LEAST * _scale, floorf(room - around))
	var is_long := _body.get_content_height() > most
	_body.fit_content = not is_long
	_body.custom_minimum_size.y = most if is_long else 0.0
	_body.focus_mode = FOCUS_ALL if is_long else FOCUS_CLICK
	fitted.emit()


func _add_buttons() -> void:
	_buttons.gap = int(GAP * _scale / 2)
	for action: Dictionary in popup.actions:
		var button := Button.new()
		button.text = action.label
		Escape.watch(button, _on_escape)
		Accessible.label(button, action.label, "%s\n%s" % [popup.title, _body.get_parsed_text()])
		button.pressed.connect(_choose.bind("answered", action.id))
		if action.get("default", false):
			_default = button
		_buttons.add(button)
	_style_buttons()


# In the colours and fonts of the editor's theme.
func _style() -> void:
	_is_styling = true
	add_theme_stylebox_override("panel", _frame())
	_is_styling = false
	_title.add_theme_font_override("font", get_theme_font("bold", "EditorFonts"))
	_body.add_theme_font_override("bold_font", get_theme_font("bold", "EditorFonts"))
	_body.add_theme_font_override("mono_font", get_theme_font("source", "EditorFonts"))
	_close.icon = get_theme_icon("Close", "EditorIcons")


func _style_buttons() -> void:
	for i: int in popup.actions.size():
		_style_button(_buttons.get_child(i), popup.actions[i].get("style", "normal"))


func _style_button(button: Button, style: String) -> void:
	Fill.set_apart(button, self)
	if style == "danger":
		var text := get_theme_color("font_color", "Button")
		var red := get_theme_color("error_color", "Editor").lerp(Color(text, 1), DANGER_MIX)
		button.add_theme_color_override("font_color", red)
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
	var others := _alike.keys() if _for_all.visible and _for_all.button_pressed else []
	answered.emit(popup.id, state, action, _fields.values() if state == "answered" else {}, others)


# Before 4.3 a signal's `emit` is no Callable, and a script that takes it for one doesn't load.
func _on_escape() -> void:
	escaped.emit()


func _on_link(target: Variant) -> void:
	# Only what the pattern lets through: http and https.
	OS.shell_open(str(target))


func _frame() -> StyleBoxFlat:
	var frame := StyleBoxFlat.new()
	frame.bg_color = Fill.of_card(self)
	frame.border_color = get_theme_color(SEVERITIES.get(popup.get("severity"), "accent_color"), "Editor")
	frame.border_width_left = int(STRIPE * _scale)
	frame.set_corner_radius_all(int(3 * _scale))
	frame.set_content_margin_all(10 * _scale)
	return frame
