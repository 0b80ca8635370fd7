@tool
extends PanelContainer
# One popup as a card: title, preview, a list to tick or a body, fields and a button for each action.

# `answer` has "state" ("answered" or "dismissed") and what else the popup's answer has; `others` are the ids of popups
# that get the same one.
signal answered(popup_id: int, answer: Dictionary, others: Array)
# A texture is to be shown in the editor's own view of the project's files.
signal located(path: String)
# Escape was pressed.
signal escaped
#if godot4
# The body's height was adapted to the available room.
signal fitted
#endif

const Buttons := preload("buttons.gd")
const Checklist := preload("checklist.gd")
const Choices := preload("choices.gd")
const Controls := preload("controls.gd")
const Dock := preload("dock.gd")
const Fields := preload("fields.gd")
const Files := preload("files.gd")
const Loader := preload("loader.gd")
const Text := preload("text.gd")

const MARKUP := "\\*\\*(?<bold>.+?)\\*\\*|`(?<code>[^`\\n]+)`" \
		+ "|\\[(?<label>[^\\]\\n]+)\\]\\((?<target>https?://[^\\s)]+)\\)" \
		+ "|(?<bare>https?://[^\\s<>\\[\\]()\"]*[^\\s<>\\[\\]()\".,;:!?])"
const PREVIEW_SIZE := 72
const STRIPE := 4
const MENU_ICON := "GuiTabMenuHl"
const BAR_HEIGHT := 6
const GAP := 8
const PAD := 10
# A list needs the room.
const LIST_PAD := 6
# The body is at least this high, however little room there is.
const MIN_BODY_HEIGHT := 60
const MIN_LIST_HEIGHT := 120
# A card with a list has its buttons below each other in less width.
const STACKING_WIDTH := 360
# The title's tooltip has the rest.
const MAX_TITLE_LINES := 5
# A button that has just got the focus ignores keys for this long: they were meant for something else.
const GUARD_MS := 400
const NOTE_OPACITY := 0.85
# How much of the text colour is mixed into the danger colour, which alone is hard to read.
const DANGER_MIX := 0.4
const SEVERITIES := {"info": "accent_color", "warning": "warning_color", "error": "error_color"}

var popup := {}

var _loader: Loader
var _text: Text
var _body := RichTextLabel.new()
var _bar := ProgressBar.new()
# The list in place of the body; null without items.
var _checklist: Checklist
# The lines of an action that are shown before it is sent; null otherwise.
var _choices: Choices
var _chosen_action := {}
var _buttons := Buttons.new()
# action id -> its button
var _by_action := {}
var _menu: MenuButton
var _close := Button.new()
var _default: Button
var _fields := Fields.new()
var _apply_to_all := CheckBox.new()
var _note := Label.new()
var _preview := TextureRect.new()
var _head: Control
var _mark := TextureRect.new()
var _title := Label.new()
var _scale := 1.0
# The height that the card may have. A longer body scrolls, so that the buttons stay visible.
var _room := 0.0
var _is_styling := false
# The last two heights of the list.
var _heights := [0.0, 0.0]
var _guarded_until := 0
# The ids of popups of the same kind, this one's among them.
var _same_kind := {}


# Call this when the card is in the tree: it uses the editor's fonts and colours. `earlier` is the state of the card in
# whose place this one is.
func setup(shown: Dictionary, loader: Loader, text: Text, editor_scale: float, earlier: Dictionary) -> void:
	popup = shown
	_loader = loader
	_text = text
	_scale = editor_scale
	size_flags_horizontal = SIZE_EXPAND_FILL
	var rows := VBoxContainer.new()
	rows.add_theme_constant_override("separation", int((LIST_PAD if _has_items() else GAP) * _scale))
	add_child(rows)
	_head = _create_head()
	rows.add_child(_head)
	_style()
	_bar.max_value = 1.0
	_bar.step = 0.001
	_bar.show_percentage = false
	_bar.custom_minimum_size.y = BAR_HEIGHT * _scale
	rows.add_child(_bar)
	show_progress(float(popup.get("progress", -1.0)), "")
#if godot4
	# Before it has its text: Godot 4 takes a minute to add a label with a long one.
	rows.add_child(_body)
	_setup_body()
#else
	_setup_body()
	rows.add_child(_body)
#endif
	if _has_items():
		_add_checklist(rows, earlier)
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
	_count()


# Returns what the card in this one's place needs to know to look the same.
func list_state() -> Dictionary:
	return _checklist.state() if _checklist else {}


# Shows the progress bar, and `what` is done below the list. A negative fraction hides the bar.
func show_progress(fraction: float, what: String) -> void:
	_bar.visible = fraction >= 0
	_bar.value = maxf(0.0, fraction)
	if what:
		_note.text = what
		_note.visible = true


# Puts the focus into the list.
func focus_list() -> void:
	if _checklist and _checklist.visible:
		_checklist.focus()


func set_room(height: float) -> void:
	_room = height
	if _checklist:
		_checklist.set_room(height)
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


# Shows only `note`, below the list if there is one: the popup is answered and waits for the daemon's confirmation.
func show_note(note: String) -> void:
	_end_choice()
	for part: Control in [_body, _buttons, _close, _fields, _apply_to_all, _preview]:
		part.visible = false
	_head.visible = true
	if _checklist:
		_checklist.lock()
	_note.text = note
	_note.visible = true


# Loads the preview from the daemon.
func load_preview() -> void:
	_loader.fetched.connect(_on_preview_loaded)
	_loader.fetch(popup.image)


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
	_mark.visible = false
	_mark.size_flags_vertical = SIZE_SHRINK_CENTER
	row.add_child(_mark)
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
	_body.visible = popup.body != "" and not _has_items()
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
	if _body.visible:
		_write_body()


func _has_items() -> bool:
	return popup.has("items_blob") or not popup.get("items", []).is_empty()


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
#if godot4
	Controls.label(_body, _body.get_parsed_text())
#endif


func _add_checklist(rows: Control, earlier: Dictionary) -> void:
	_checklist = Checklist.new()
	rows.add_child(_checklist)
	_checklist.setup(popup.title, _loader, _text, _scale)
	_checklist.set_room(_room)
	_checklist.escaped.connect(_on_escaped)
	_checklist.located.connect(_on_located)
	_checklist.height_changed.connect(_fit, CONNECT_DEFERRED)
	if popup.has("items_blob"):
		_loader.fetched.connect(_on_items_loaded.bind(earlier))
		_loader.fetch(popup.items_blob)
	else:
		_show_items(popup.items, earlier)


func _show_items(items: Array, earlier: Dictionary) -> void:
	_checklist.show_items(items, earlier)
	_checklist.model.changed.connect(_show_model)
	_show_model()


func _on_items_loaded(sha: String, bytes: PackedByteArray, earlier: Dictionary) -> void:
	if sha != popup.get("items_blob") or not _checklist or _checklist.model:
		return
	var items: Variant = Files.parse_json(bytes)
	if items is Array:
		_show_items(items, earlier)
	else:
		# The body has it all, too.
		_checklist.visible = false
		_checklist.queue_free()
		_checklist = null
		_body.visible = popup.body != ""
		_write_body()
		_fit()


func _show_model() -> void:
	_count()
	var outcomes := []
	for id: String in _checklist.model.roots:
		outcomes.append(_checklist.model.outcome(id))
	var is_done := not outcomes.has("failed") and not outcomes.has("kept")
	_mark.visible = not outcomes.has("pending") and (outcomes.has("done") or not is_done)
	_mark.texture = get_theme_icon("StatusSuccess" if is_done else "StatusWarning", "EditorIcons")


# Writes on the buttons how many textures are ticked.
func _count() -> void:
	for action: Dictionary in popup.actions:
		if not _checklist or not _by_action.has(action.id) or not action.get("label_many", ""):
			continue
		var button: Button = _by_action[action.id]
		var count := _checklist.model.count() if _checklist.model else 0
		button.text = action.label_many.format({"count": count})
		if count == 1 and action.get("label_one", ""):
			button.text = action.label_one
		button.disabled = count == 0
		Controls.label(button, button.text, popup.title)
		_buttons.measure(button)


# Gives the list as much height as it needs, and at most what the card has: the buttons stay visible.
func _fit_list() -> void:
	# A texture in the list's place has its own head.
	_head.visible = _choices != null or not _checklist.is_covered()
	var part: Control = _checklist
	if _choices:
		part = _choices
	var around := get_combined_minimum_size().y - part.get_combined_minimum_size().y
	var room := maxf(MIN_LIST_HEIGHT * _scale, floorf(_room - around))
	var height := ceilf(minf(float(part.call("full_height")), room))
	# A scroll bar that comes and goes would change the lines, and so the height, for ever.
	if height == _heights[0] and height != _heights[1]:
		height = maxf(height, _heights[1])
	_heights = [_heights[1], height]
	part.custom_minimum_size.y = height


# In the next frame: each new height changes the size of the card, which calls this again.
func _process(_delta: float) -> void:
	set_process(false)
	if _checklist or _choices:
		_fit_list()
#if godot4
		fitted.emit()
#endif


# Lets a body that is too long scroll; then it can be reached by Tab.
func _fit() -> void:
	if _checklist or _choices:
		set_process(true)
		return
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
	_buttons.stacking_width = STACKING_WIDTH * _scale if _checklist else 0.0
	_buttons.is_first_alone = not popup.actions.is_empty() and popup.actions[0].get("style") == "primary"
	for action: Dictionary in popup.actions:
		var button := Button.new()
		button.text = action.label
		button.gui_input.connect(_on_input.bind(button))
		button.pressed.connect(_choose.bind("answered", action.id))
		_by_action[action.id] = button
#if godot4
		Controls.label(button, action.label, "%s\n%s" % [popup.title, _body.get_parsed_text()])
#endif
		if action.get("default", false):
			_default = button
		_buttons.add(button)
	if popup.get("menu", []):
		_add_menu()
	_style_buttons()


func _add_menu() -> void:
	_menu = MenuButton.new()
	_menu.set_meta(Buttons.TOOLTIP, _text.say("More"))
	_menu.icon_alignment = HORIZONTAL_ALIGNMENT_CENTER
	_menu.flat = false
	_menu.focus_mode = FOCUS_ALL
	_menu.gui_input.connect(_on_input.bind(_menu))
	_menu.get_popup().id_pressed.connect(_on_menu_pressed)
	for i: int in popup.menu.size():
		_menu.get_popup().add_item(popup.menu[i].label, i)
	Controls.label(_menu, _text.say("More"), popup.title)
	_menu.icon = get_theme_icon(MENU_ICON, "EditorIcons")
	_buttons.add(_menu)


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
	if _menu:
		_menu.icon = get_theme_icon(MENU_ICON, "EditorIcons")
		Controls.fill_button(_menu, self)


func _style_button(button: Button, style: String) -> void:
	Controls.fill_button(button, self)
	if style == "danger":
		var text_color := get_theme_color("font_color", "Button")
		text_color.a = 1.0
		var danger_color := get_theme_color("error_color", "Editor").lerp(text_color, DANGER_MIX)
		button.add_theme_color_override("font_color", danger_color)
	elif style == "primary":
		Controls.fill_primary(button, self)


func _create_frame() -> StyleBoxFlat:
	var frame := StyleBoxFlat.new()
	frame.bg_color = Controls.card_color(self)
	frame.border_color = get_theme_color(SEVERITIES.get(popup.get("severity"), "accent_color"), "Editor")
	frame.border_width_left = int(STRIPE * _scale)
	frame.set_corner_radius_all(int(3 * _scale))
#if godot4
	frame.set_content_margin_all((LIST_PAD if _has_items() else PAD) * _scale)
	frame.set_content_margin(SIDE_LEFT, PAD * _scale)
#else
	for side in [MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM]:
		frame.set_default_margin(side, (LIST_PAD if _has_items() else PAD) * _scale)
	frame.set_default_margin(MARGIN_LEFT, PAD * _scale)
#endif
	return frame


func _on_preview_loaded(sha: String, bytes: PackedByteArray) -> void:
	if sha != popup.image:
		return
	_preview.texture = Loader.to_texture(bytes)
	if _preview.texture:
		_preview.visible = _buttons.visible
	else:
		_show_preview_error()


func _show_preview_error() -> void:
	# After an answer, the note shows what becomes of it.
	if _buttons.visible:
		_note.text = _text.say("Can't load the preview.")
		_note.visible = true


func _choose(state: String, action: String) -> void:
	if Time.get_ticks_msec() < _guarded_until:
		return
	var chosen := _action(action)
	if chosen.get("choices", []):
		_offer_choices(chosen)
	else:
		_answer(state, action, {})


# Shows the lines of the action in place of the list.
func _offer_choices(action: Dictionary) -> void:
	_chosen_action = action
	_choices = Choices.new()
	_buttons.get_parent().add_child(_choices)
	_buttons.get_parent().move_child(_choices, _buttons.get_index())
	_choices.setup(action, _text, _scale)
	_choices.confirmed.connect(_on_confirmed)
	_choices.cancelled.connect(_end_choice)
	_choices.height_changed.connect(_fit, CONNECT_DEFERRED)
	_show_parts(false)
	_title.text = action.label
	_choices.focus()
	call_deferred("_fit")


func _end_choice() -> void:
	if not _choices:
		return
	_choices.visible = false
	_choices.queue_free()
	_choices = null
	_title.text = popup.title
	_show_parts(true)
	if _by_action.has(_chosen_action.id):
		_by_action[_chosen_action.id].grab_focus()
	call_deferred("_fit")


func _show_parts(are_visible: bool) -> void:
	_buttons.visible = are_visible
	if _checklist:
		_checklist.visible = are_visible
	else:
		_body.visible = are_visible and popup.body != ""


func _on_confirmed(choices: Array) -> void:
	_answer("answered", _chosen_action.id, {"choices": choices})


func _on_menu_pressed(index: int) -> void:
	_choose("answered", popup.menu[index].id)


func _answer(state: String, action: String, more: Dictionary) -> void:
	var answer := {"state": state}
	if action:
		answer["action"] = action
	if state == "answered" and not _fields.values().is_empty():
		answer["values"] = _fields.values()
	if state == "answered" and _checklist and _checklist.model:
		answer["checked"] = _checklist.model.checked()
	for key: String in more:
		answer[key] = more[key]
	var others := _same_kind.keys() if _apply_to_all.visible and _apply_to_all.button_pressed else []
	answered.emit(popup.id, answer, others)


# Returns the action of that id, of the buttons or the menu; empty for none.
func _action(id: String) -> Dictionary:
	for action: Dictionary in popup.actions + popup.get("menu", []):
		if action.id == id:
			return action
	return {}


func _on_input(event: InputEvent, control: Control) -> void:
	if Controls.is_escape(event, control):
		control.accept_event()
		escaped.emit()
	elif _checklist and event.is_action_pressed("ui_up") and _buttons.is_ancestor_of(control):
		control.accept_event()
		_checklist.focus()


func _on_escaped() -> void:
	escaped.emit()


func _on_located(path: String) -> void:
	located.emit(path)


func _on_link(target: Variant) -> void:
	# The pattern matches only http and https.
	OS.shell_open(str(target))
