@tool
extends EditorPlugin
# Runs the body of a function that a test has written into `probe.in`, and writes what it returns into `probe.out`.

const IN := "res://probe.in"
const OUT := "res://probe.out"

var addon: EditorPlugin
var dock: Control

# What the panel said of the connection, each time that this changed.
var statuses := []

var _beside: LineEdit


func _process(_delta: float) -> void:
	if not FileAccess.file_exists(IN):
		return
	_find()
	var script := GDScript.new()
	script.source_code = "@tool\nextends RefCounted\nfunc run(probe, dock):\n\t%s\n\treturn null\n" \
			% FileAccess.get_file_as_string(IN).replace("\n", "\n\t")
	DirAccess.remove_absolute(IN)
	script.reload()
	var returned: Variant = script.new().run(self, dock)
	var file := FileAccess.open(OUT + ".tmp", FileAccess.WRITE)
	file.store_string(JSON.stringify(returned))
	file.close()
	DirAccess.rename_absolute(OUT + ".tmp", OUT)


# The cards that lie in the dock.
func cards() -> Array:
	return dock._cards.get_children()


# All controls below `node` that can be seen.
func controls(node: Node) -> Array:
	var found := []
	for child in node.get_children():
		if child is Control and child.is_visible_in_tree():
			found.append(child)
			found.append_array(controls(child))
	return found


func focused() -> Control:
	return dock.get_viewport().gui_get_focus_owner()


func is_focused(control: Control) -> bool:
	return focused() == control


func is_in_dock() -> bool:
	return dock.is_ancestor_of(focused())


# What can be focused of the first card's first field.
func first_field() -> Control:
	var input: Control = cards()[0]._fields._inputs.values()[0].input
	return (input as SpinBox).get_line_edit() if input is SpinBox else input


# The colours of the first card, its first field and its default button.
func grounds() -> Array:
	var parts := [cards()[0].get_theme_stylebox("panel"), first_field().get_theme_stylebox("normal")]
	parts.append(cards()[0]._default.get_theme_stylebox("normal"))
	return parts.map(func(part: StyleBoxFlat) -> String: return part.bg_color.to_html())


func are_others(grounds_before: Array) -> bool:
	var now := grounds()
	return range(now.size()).all(func(i: int) -> bool: return now[i] != grounds_before[i])


# As in the editor's settings; their name is another one from 4.6 on.
func choose_theme(preset: String) -> void:
	var settings := EditorInterface.get_editor_settings()
	for setting: String in ["interface/theme/preset", "interface/theme/color_preset"]:
		if settings.has_setting(setting):
			settings.set_setting(setting, preset)


# How much lighter or darker the first card is than its first field and its last button, at least; 0 to 1.
func lightness_on_card() -> float:
	var card := cards()[0].get_theme_stylebox("panel") as StyleBoxFlat
	var button: Control = cards()[0]._buttons.get_children().back()
	return [first_field(), button].map(func(part: Control) -> float:
		var fill := part.get_theme_stylebox("normal") as StyleBoxFlat
		return absf(fill.bg_color.get_luminance() - card.bg_color.get_luminance())
	).min()


# Everything in the dock has the fill of a card, as buttons have in the themes of Godot 4.2 to 4.5.
func choose_theme_of_one_fill() -> void:
	dock.theme = Theme.new()
	for type: String in ["Button", "LineEdit", "OptionButton"]:
		var fill := StyleBoxFlat.new()
		fill.bg_color = dock.get_theme_color("dark_color_1", "Editor")
		dock.theme.set_stylebox("normal", type, fill)


func choose_theme_of_large_buttons() -> void:
	dock.theme = Theme.new()
	dock.theme.set_font_size("font_size", "Button", 40)


func width_of_button() -> float:
	return cards()[0]._default.size.x


# Whether the card itself has a button that closes it.
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
	return cards().filter(func(card: Control) -> bool: return card.visible) \
			.map(func(card: Control) -> String: return card.popup.title)


# Whether the end of the last card can be scrolled to.
func reaches_all() -> bool:
	return dock._list.get_v_scroll_bar().max_value >= dock._cards.get_combined_minimum_size().y


# Whether all of it is in the part of the dock that the cards scroll in.
func is_in_view(control: Control) -> bool:
	return dock._list.get_global_rect().grow(1).encloses(control.get_global_rect())


# The texts of the controls that reach beyond the dock's sides.
func cut_off() -> Array:
	var sides := dock.get_global_rect()
	return controls(dock).filter(func(control: Control) -> bool:
		var rect := control.get_global_rect()
		return rect.position.x < sides.position.x or rect.end.x > sides.end.x + 1
	).map(func(control: Control) -> String: return str(control))


func tooltips(node: Node) -> Array:
	return node.get_children().map(func(control: Control) -> String: return control.tooltip_text)


# What can be reached by Tab and has no name for a screen reader.
func nameless() -> Array:
	return controls(dock).filter(func(control: Control) -> bool:
		return control.focus_mode == Control.FOCUS_ALL and control.get("accessibility_name") == ""
	).map(func(control: Control) -> String: return str(control))


# Adds a panel to those that the dock shares its place with, and works in it.
func put_beside() -> void:
	_beside = LineEdit.new()
	_beside.name = "Beside"
	# What else lies among the docks of 4.6 brings the editor down when it saves their layout.
	add_control_to_dock(DOCK_SLOT_RIGHT_BL, _beside)
	var tab: Control = _beside
	while not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	_tabs().current_tab = _tabs().get_tab_idx_from_control(tab)
	_beside.grab_focus()


# The person looks at that panel, and works in none.
func leave_beside() -> void:
	_beside.release_focus()


func is_beside_focused() -> bool:
	return _beside.is_visible_in_tree() and _beside.has_focus()


func take_away() -> void:
	remove_control_from_docks(_beside)
	_beside.free()


func tab_title() -> String:
	return _tabs().get_tab_title(_tabs().get_tab_idx_from_control(dock._tab()))


# Whether the panel lies behind another one.
func is_hidden() -> bool:
	return not dock.is_visible_in_tree()


# Whether it still takes keys for such as were meant for something else.
func is_guarded(card: Control) -> bool:
	return Time.get_ticks_msec() < card._guarded_until


# What is written below the first card.
func note() -> String:
	return cards()[0]._note.text


func record_statuses() -> void:
	statuses.clear()
	addon._connection.status_changed.connect(func() -> void: statuses.append(dock._status.text))


func say(template: String) -> String:
	return addon._popups._text.say(template)


# Whether what must outlive the editor is on the disk as soon as these popups are answered.
func is_written_after_answers_to(popup_ids: Array) -> bool:
	DirAccess.remove_absolute(addon._session._store._path)
	for popup_id in popup_ids:
		addon._popups._answer(popup_id, "answered", "later", {})
	return is_written()


func is_written() -> bool:
	return FileAccess.file_exists(addon._session._store._path)


# Whether the popup's window has it for the tick box, too.
func has_room(popup_id: int) -> bool:
	var shown: Dictionary = addon._popups._open[popup_id]
	return shown.card._apply_to_all.visible and shown.window.size.y >= shown.card.get_combined_minimum_size().y


# Whether all of the popup's window is, and in it the default button.
func is_on_screen(popup_id: int) -> bool:
	var window: Window = addon._popups._open[popup_id].window
	var screen := Rect2(Vector2.ZERO, dock.get_window().size)
	var inside := Rect2(Vector2.ZERO, window.size)
	var whole := Rect2(window.position, window.size).grow_side(SIDE_TOP, window.get_theme_constant("title_height"))
	return screen.encloses(whole) \
			and inside.grow(1).encloses(addon._popups._open[popup_id].card._default.get_global_rect())


func top_of_window(popup_id: int) -> int:
	return addon._popups._open[popup_id].window.position.y


# As if it were moved; -1 for the lowest place that shows all of it.
func move_window(popup_id: int, top: int) -> void:
	var window: Window = addon._popups._open[popup_id].window
	window.position.y = dock.get_window().size.y - window.size.y if top < 0 else top


func has_heartbeat() -> bool:
	return "heartbeat_interval" in WebSocketPeer.new()


func _tabs() -> TabContainer:
	return dock._tab().get_parent()


# Whether the card is as high as the list of cards, in which its text scrolls.
func fills_list(card: Control) -> bool:
	return absf(card.size.y - dock._list.size.y) <= 2 and card._body.focus_mode == Control.FOCUS_ALL


# Whether none of the card's text scrolls.
func shows_all_text(card: Control) -> bool:
	return card._body.focus_mode == Control.FOCUS_CLICK and card._body.size.y >= card._body.get_content_height()


func make_taller(height: float) -> void:
	dock.custom_minimum_size.y = maxf(height, dock.MIN_SIZE.y)


# In the middle of `control`: [x, y] in the editor's window.
func place(control: Control) -> Array:
	var at := control.get_global_rect().get_center()
	return [at.x, at.y]


func _find() -> void:
	for sibling in get_parent().get_children():
		if sibling.get_script() == load("res://addons/popbridge/plugin.gd"):
			addon = sibling
			dock = addon._dock
