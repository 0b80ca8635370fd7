@tool
extends EditorPlugin
# Runs the function body that a test writes into `probe.in`, and writes what it returns into `probe.out`.

const IN := "res://probe.in"
const OUT := "res://probe.out"
const HEAD := "@tool\nextends RefCounted\n"

var addon: EditorPlugin
var dock: Control

# The texts of the panel's status, each time that it changed.
var statuses := []

var _beside: LineEdit
# By function body. Godot 4 may crash if a script is compiled while its threads write the documentation, in the first
# seconds: https://github.com/godotengine/godot/issues/123273.
var _scripts := {}
# When the last frame began, and the longest since `time_frames`: milliseconds.
var _frame_at := 0
var _longest_frame := 0


func _process(_delta: float) -> void:
	var now := Time.get_ticks_msec()
	_longest_frame = maxi(_longest_frame, now - _frame_at)
	_frame_at = now
	if not FileAccess.file_exists(IN):
		return
	_find_addon()
	var body := _read(IN)
	DirAccess.remove_absolute(IN)
	if not _scripts.has(body):
		var script := GDScript.new()
		script.source_code = HEAD + "func run(probe, dock):\n\t%s\n\treturn null\n" % body.replace("\n", "\n\t")
		script.reload()
		_scripts[body] = script
	_write(OUT + ".tmp", _scripts[body].new().run(self, dock))
	DirAccess.rename_absolute(OUT + ".tmp", OUT)


# The cards in the dock.
func cards() -> Array:
	return dock._cards.get_children()


# All visible controls below `node`.
func controls(node: Node) -> Array:
	var visible := []
	for child: Node in node.get_children():
		if child is Control and child.is_visible_in_tree():
			visible.append(child)
			visible.append_array(controls(child))
	return visible


func focused() -> Control:
	return dock.get_viewport().gui_get_focus_owner()


func is_focused(control: Control) -> bool:
	return focused() == control


func is_in_dock() -> bool:
	return dock.is_ancestor_of(focused())


# The control of the first card's first field that takes the focus.
func first_field() -> Control:
	var input: Control = cards()[0]._fields._inputs.values()[0].input
	return (input as SpinBox).get_line_edit() if input is SpinBox else input


# The colours of the first card, its first field and its default button.
func grounds() -> Array:
	var parts := [cards()[0].get_theme_stylebox("panel"), first_field().get_theme_stylebox("normal")]
	parts.append(cards()[0]._default.get_theme_stylebox("normal"))
	var colors := []
	for part: StyleBoxFlat in parts:
		colors.append(part.bg_color.to_html())
	return colors


func are_others(grounds_before: Array) -> bool:
	var now := grounds()
	for i: int in now.size():
		if now[i] == grounds_before[i]:
			return false
	return true


# As in the editor's settings; the setting has another name from 4.6 on.
func choose_theme(preset: String) -> void:
	var settings := EditorInterface.get_editor_settings()
	for setting: String in ["interface/theme/preset", "interface/theme/color_preset"]:
		if settings.has_setting(setting):
			settings.set_setting(setting, preset)


# The least difference in lightness between the first card and its first field or last button, 0 to 1.
func lightness_on_card() -> float:
	var ground: Color = cards()[0].get_theme_stylebox("panel").bg_color
	var least := 1.0
	for part: Control in [first_field(), cards()[0]._buttons.get_children().back()]:
		var fill: Color = part.get_theme_stylebox("normal").bg_color
		least = minf(least, absf(fill.v - ground.v))
	return least


# Everything in the dock has a card's fill, as buttons have in the themes of Godot 3 and 4.2 to 4.5.
func choose_theme_of_one_fill() -> void:
	dock.theme = Theme.new()
	for type: String in ["Button", "LineEdit", "OptionButton"]:
		var fill := StyleBoxFlat.new()
		fill.bg_color = dock.get_theme_color("dark_color_1", "Editor")
		dock.theme.set_stylebox("normal", type, fill)


func choose_theme_of_large_buttons() -> void:
	dock.theme = Theme.new()
#if godot4
	dock.theme.set_font_size("font_size", "Button", 40)
#else
	dock.theme.set_font("font", "Button", dock.get_font("doc_title", "EditorFonts"))
#endif


func width_of_button() -> float:
	return cards()[0]._default.size.x


# Whether the card has its own close button.
func has_close(popup_id: int) -> bool:
	return addon._popups._open[popup_id].card._close.visible


func has_card(popup_id: int) -> bool:
	return addon._popups._open.has(popup_id) and addon._popups._open[popup_id].card != null


# Whether Enter presses the popup's default button.
func has_keys(popup_id: int) -> bool:
	return has_card(popup_id) and addon._popups._open[popup_id].card._default.has_focus()


# As if it were typed.
func find(text: String) -> void:
	dock._search.text = text
	dock._on_search_changed(text)


func seen_cards() -> Array:
	var titles := []
	for card: Control in cards():
		if card.visible:
			titles.append(card.popup.title)
	return titles


# Whether the end of the last card can be reached by scrolling.
func reaches_all() -> bool:
	return _scroll_bar().max_value >= dock._cards.get_combined_minimum_size().y


# Whether all of the control is visible in the list of cards.
func is_in_view(control: Control) -> bool:
	return dock._list.get_global_rect().grow(1).encloses(control.get_global_rect())


# The controls that reach beyond the dock's sides.
func cut_off() -> Array:
	var sides := dock.get_global_rect()
	var cut := []
	for control: Control in controls(dock):
		var rect := control.get_global_rect()
		if rect.position.x < sides.position.x or rect.end.x > sides.end.x + 1:
			cut.append(str(control))
	return cut


func tooltips(node: Node) -> Array:
	var texts := []
	for control: Control in node.get_children():
		texts.append(control.tooltip_text)
	return texts


# The controls that Tab reaches and that have no name for screen readers.
func nameless() -> Array:
	var found := []
	for control: Control in controls(dock):
		if control.focus_mode == Control.FOCUS_ALL and control.get("accessibility_name") == "":
			found.append(str(control))
	return found


# Adds a panel in the dock's place, and gives it the focus.
func put_beside() -> void:
	_beside = LineEdit.new()
	_beside.name = "Beside"
#if godot4
	# Any other control among the docks of 4.6 crashes the editor when it saves their layout.
	add_control_to_dock(DOCK_SLOT_RIGHT_BL, _beside)
#else
	_tabs().add_child(_beside)
#endif
	var tab: Control = _beside
	while not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	var tabs := _tabs()
	tabs.current_tab = tabs.get_tab_idx_from_control(tab)
	_beside.grab_focus()


# The person looks at that panel, and works in none.
func leave_beside() -> void:
	_beside.release_focus()


func is_beside_focused() -> bool:
	return _beside.is_visible_in_tree() and _beside.has_focus()


func take_away() -> void:
#if godot4
	remove_control_from_docks(_beside)
#endif
	_beside.free()


func tab_title() -> String:
	var tabs := _tabs()
	var tab: Control = dock._tab()
	return tabs.get_tab_title(tabs.get_tab_idx_from_control(tab))


# Whether the panel is behind another one.
func is_hidden() -> bool:
	return not dock.is_visible_in_tree()


# Whether the card still ignores presses.
func is_guarded(card: Control) -> bool:
	return Time.get_ticks_msec() < card._guarded_until


# The text below the first card.
func note() -> String:
	return cards()[0]._note.text


func record_statuses() -> void:
	statuses.clear()
	addon._connection.status_changed.connect(_on_status_changed)


func say(template: String) -> String:
	return addon._popups._text.say(template)


# Whether the state is on the disk as soon as these popups are answered.
func is_written_after_answers_to(popup_ids: Array) -> bool:
	DirAccess.remove_absolute(addon._session._store._path)
	for popup_id: int in popup_ids:
		addon._popups._answer(popup_id, {"state": "answered", "action": "later"})
	return is_written()


func is_written() -> bool:
	return FileAccess.file_exists(addon._session._store._path)


# Whether the popup's window has room for its card with the checkbox.
func has_room(popup_id: int) -> bool:
	var shown: Dictionary = addon._popups._open[popup_id]
	var height: float = shown.card.get_combined_minimum_size().y
	return shown.card._apply_to_all.visible and _height(shown.window) >= height


# Whether all of the popup's window is on the screen, and the default button in it.
func is_on_screen(popup_id: int) -> bool:
	var default: Rect2 = addon._popups._open[popup_id].card._default.get_global_rect()
#if godot4
	var window: Window = addon._popups._open[popup_id].window
	var screen := Rect2(Vector2.ZERO, dock.get_window().size)
	var inside := Rect2(Vector2.ZERO, window.size)
	var whole := Rect2(window.position, window.size).grow_side(SIDE_TOP, window.get_theme_constant("title_height"))
#else
	var window = addon._popups._open[popup_id].window
	var screen = dock.get_viewport_rect()
	var inside = window.get_global_rect()
	var whole = inside.grow_margin(MARGIN_TOP, window.get_constant("title_height"))
#endif
	return screen.encloses(whole) and inside.grow(1).encloses(default)


#if godot4
func top_of_window(popup_id: int) -> int:
	return addon._popups._open[popup_id].window.position.y


# As if it were moved; -1 for the lowest place that shows all of it.
func move_window(popup_id: int, top: int) -> void:
	var window: Window = addon._popups._open[popup_id].window
	window.position.y = dock.get_window().size.y - window.size.y if top < 0 else top


func has_heartbeat() -> bool:
	return "heartbeat_interval" in WebSocketPeer.new()


func _height(window: Window) -> float:
	return window.size.y


func _scroll_bar() -> ScrollBar:
	return dock._list.get_v_scroll_bar()


func _read(path: String) -> String:
	return FileAccess.get_file_as_string(path)


func _write(path: String, value: Variant) -> void:
	var file := FileAccess.open(path, FileAccess.WRITE)
	file.store_string(JSON.stringify(value))
	file.close()
#else
func top_of_window(popup_id: int):
	return addon._popups._open[popup_id].window.rect_position.y


# As if it were moved; -1 for the lowest place that shows all of it.
func move_window(popup_id: int, top: int):
	var window = addon._popups._open[popup_id].window
	window.rect_position.y = dock.get_viewport_rect().size.y - window.rect_size.y if top < 0 else top


func has_heartbeat():
	return false


func _height(window):
	return window.rect_size.y


func _scroll_bar():
	return dock._list.get_v_scrollbar()


func _read(path: String):
	var file = File.new()
	file.open(path, File.READ)
	var text = file.get_as_text()
	file.close()
	return text


func _write(path: String, value):
	var file = File.new()
	file.open(path, File.WRITE)
	file.store_string(JSON.print(value))
	file.close()
#endif


func _on_status_changed() -> void:
	statuses.append(dock._status.text)


func _tabs() -> TabContainer:
	return dock._tab().get_parent()


# Whether the card is as high as the list of cards, and its text scrolls.
func fills_list(card: Control) -> bool:
	return absf(_size_of(card).y - dock._list.size.y) <= 2 \
			and card._body.focus_mode == Control.FOCUS_ALL


# Whether none of the card's text scrolls.
func shows_all_text(card: Control) -> bool:
	return card._body.focus_mode == Control.FOCUS_CLICK \
			and _size_of(card._body).y >= card._body.get_content_height()


func make_taller(height: float) -> void:
	dock.custom_minimum_size.y = maxf(height, dock.MIN_SIZE.y)


# The middle of `control` in the editor's window: [x, y].
func place(control: Control) -> Array:
	var rect := control.get_global_rect()
	var at := (rect.position + rect.end) / 2
	return [at.x, at.y]


# Whether the popup's card has a list with rows.
func has_list(popup_id: int) -> bool:
	var card: Control = addon._popups._open[popup_id].card if has_card(popup_id) else null
	return card != null and card._checklist != null and card._checklist._is_read


# The first card's list, its model and the texture that is open.
func list() -> Control:
	return cards()[0]._checklist._list


func model() -> RefCounted:
	return cards()[0]._checklist.model


func pane() -> Control:
	return cards()[0]._checklist._pane


func tick(id: String) -> int:
	return model().tick(id)


func primary_label() -> String:
	return cards()[0]._default.text


# Presses the first card's button.
func press(action: String) -> void:
	cards()[0]._choose("answered", action)


# Whether all of the row is visible.
func is_row_in_view(id: String) -> bool:
	var rect: Rect2 = list().get_item_area_rect(list()._rows[id])
#if godot3
	rect.position.y -= list()._scroll_bar.value
#endif
	return Rect2(Vector2.ZERO, _size_of(list())).grow(2).encloses(rect) and is_in_view(list())


# A place just above the row's lower edge, in the editor's window: [x, y].
func bottom_of_row(id: String) -> Array:
	var rect: Rect2 = list().get_item_area_rect(list()._rows[id])
	var at: Vector2 = list().get_global_rect().position + Vector2(rect.size.x / 2, rect.end.y - 4)
	return [int(at.x), int(at.y)]


func height_of(control: Control) -> float:
	return _size_of(control).y


func set_dock_width(width: float) -> void:
	dock.custom_minimum_size.x = width


func time_frames() -> void:
	_longest_frame = 0


func longest_frame() -> int:
	return _longest_frame


func _find_addon() -> void:
	for sibling: Node in get_parent().get_children():
		if sibling.get_script() == load("res://addons/popbridge/plugin.gd"):
			addon = sibling
			dock = addon._dock


func _size_of(control: Control) -> Vector2:
	return control.get_rect().end - control.get_rect().position
