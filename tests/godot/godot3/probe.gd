tool
extends EditorPlugin
# Runs the body of a function that a test has written into `probe.in`, and writes what it returns into `probe.out`.

const IN = "res://probe.in"
const OUT = "res://probe.out"

var addon: EditorPlugin
var dock: Control

# What the panel said of the connection, each time that this changed.
var statuses = []

var _beside: LineEdit


func _process(_delta):
	var file = File.new()
	if not file.file_exists(IN):
		return
	_find()
	file.open(IN, File.READ)
	var script = GDScript.new()
	script.source_code = "tool\nextends Reference\nfunc run(probe, dock):\n\t%s\n\treturn null\n" \
			% file.get_as_text().replace("\n", "\n\t")
	file.close()
	Directory.new().remove(IN)
	script.reload()
	var returned = script.new().run(self, dock)
	file.open(OUT + ".tmp", File.WRITE)
	file.store_string(JSON.print(returned))
	file.close()
	Directory.new().rename(OUT + ".tmp", OUT)


# The cards that lie in the dock.
func cards() -> Array:
	return dock._cards.get_children()


# All controls below `node` that can be seen.
func controls(node: Node) -> Array:
	var found = []
	for child in node.get_children():
		if child is Control and child.is_visible_in_tree():
			found.append(child)
			found.append_array(controls(child))
	return found


func focused() -> Control:
	return dock.get_focus_owner()


func is_focused(control: Control) -> bool:
	return focused() == control


func is_in_dock() -> bool:
	return dock.is_a_parent_of(focused())


# What can be focused of the first card's first field.
func first_field() -> Control:
	var input = cards()[0]._fields._inputs.values()[0].input
	return input.get_line_edit() if input is SpinBox else input


# The colours of the first card, its first field and its default button.
func grounds() -> Array:
	var parts = [cards()[0].get_stylebox("panel"), first_field().get_stylebox("normal")]
	parts.append(cards()[0]._default.get_stylebox("normal"))
	var colours = []
	for part in parts:
		colours.append(part.bg_color.to_html())
	return colours


func are_others(grounds_before: Array) -> bool:
	var now = grounds()
	for i in now.size():
		if now[i] == grounds_before[i]:
			return false
	return true


# As in the editor's settings.
func choose_theme(preset: String):
	get_editor_interface().get_editor_settings().set_setting("interface/theme/preset", preset)


# How much lighter or darker the first card is than its first field and its last button, at least; 0 to 1.
func lightness_on_card() -> float:
	var card = cards()[0].get_stylebox("panel").bg_color
	var least = 1.0
	for part in [first_field(), cards()[0]._buttons.get_children().back()]:
		least = min(least, abs(part.get_stylebox("normal").bg_color.v - card.v))
	return least


# Everything in the dock has the fill of a card.
func choose_theme_of_one_fill():
	dock.theme = Theme.new()
	for type in ["Button", "LineEdit", "OptionButton"]:
		var fill = StyleBoxFlat.new()
		fill.bg_color = dock.get_color("dark_color_1", "Editor")
		dock.theme.set_stylebox("normal", type, fill)


func choose_theme_of_large_buttons():
	dock.theme = Theme.new()
	dock.theme.set_font("font", "Button", dock.get_font("doc_title", "EditorFonts"))


func width_of_button() -> float:
	return cards()[0]._default.rect_size.x


# Whether the card itself has a button that closes it.
func has_close(popup_id: int) -> bool:
	return addon._popups._open[popup_id].card._close.visible


func has_card(popup_id: int) -> bool:
	return addon._popups._open.has(popup_id) and addon._popups._open[popup_id].card != null


# Whether Enter presses the popup's default button.
func has_keys(popup_id: int) -> bool:
	return has_card(popup_id) and addon._popups._open[popup_id].card._default.has_focus()


# As if it were typed.
func find(text: String):
	dock._search.text = text
	dock._on_search_changed(text)


func seen_cards() -> Array:
	var titles = []
	for card in cards():
		if card.visible:
			titles.append(card.popup.title)
	return titles


# Whether the end of the last card can be scrolled to.
func reaches_all() -> bool:
	return dock._list.get_v_scrollbar().max_value >= dock._cards.get_combined_minimum_size().y


# Whether all of it is in the part of the dock that the cards scroll in.
func is_in_view(control: Control) -> bool:
	return dock._list.get_global_rect().grow(1).encloses(control.get_global_rect())


# The controls that reach beyond the dock's sides.
func cut_off() -> Array:
	var sides = dock.get_global_rect()
	var found = []
	for control in controls(dock):
		var rect = control.get_global_rect()
		if rect.position.x < sides.position.x or rect.end.x > sides.end.x + 1:
			found.append(str(control))
	return found


func tooltips(node: Node) -> Array:
	var texts = []
	for control in node.get_children():
		texts.append(control.hint_tooltip)
	return texts


# Adds a panel to those that the dock shares its place with, and works in it.
func put_beside():
	_beside = LineEdit.new()
	_tabs().add_child(_beside)
	_tabs().current_tab = _beside.get_index()
	_beside.grab_focus()


# The person looks at that panel, and works in none.
func leave_beside():
	_beside.release_focus()


func is_beside_focused() -> bool:
	return _beside.is_visible_in_tree() and _beside.has_focus()


func take_away():
	_beside.free()


func tab_title() -> String:
	return _tabs().get_tab_title(dock.get_index())


# Whether the panel lies behind another one.
func is_hidden() -> bool:
	return not dock.is_visible_in_tree()


# Whether it still takes keys for such as were meant for something else.
func is_guarded(card: Control) -> bool:
	return OS.get_ticks_msec() < card._guarded_until


# What is written below the first card.
func note() -> String:
	return cards()[0]._note.text


func record_statuses():
	statuses.clear()
	addon._connection.connect("status_changed", self, "_on_status_changed")


func say(template: String) -> String:
	return addon._popups._text.say(template)


# Whether what must outlive the editor is on the disk as soon as these popups are answered.
func is_written_after_answers_to(popup_ids: Array) -> bool:
	Directory.new().remove(addon._session._store._path)
	for popup_id in popup_ids:
		addon._popups._answer(int(popup_id), "answered", "later", {})
	return is_written()


func is_written() -> bool:
	return File.new().file_exists(addon._session._store._path)


# Whether the popup's window has it for the tick box, too.
func has_room(popup_id: int) -> bool:
	var shown = addon._popups._open[popup_id]
	return shown.card._apply_to_all.visible and shown.window.rect_size.y >= shown.card.get_combined_minimum_size().y


# Whether all of the popup's window is, and in it the default button.
func is_on_screen(popup_id: int) -> bool:
	var window = addon._popups._open[popup_id].window
	var inside = window.get_global_rect()
	var whole = inside.grow_margin(MARGIN_TOP, window.get_constant("title_height"))
	return dock.get_viewport_rect().encloses(whole) \
			and inside.grow(1).encloses(addon._popups._open[popup_id].card._default.get_global_rect())


func top_of_window(popup_id: int) -> int:
	return addon._popups._open[popup_id].window.rect_position.y


# As if it were moved; -1 for the lowest place that shows all of it.
func move_window(popup_id: int, top: int):
	var window = addon._popups._open[popup_id].window
	window.rect_position.y = dock.get_viewport_rect().size.y - window.rect_size.y if top < 0 else top


func has_heartbeat() -> bool:
	return false


func _on_status_changed():
	statuses.append(dock._status.text)


func _tabs() -> TabContainer:
	return dock.get_parent() as TabContainer


# Whether the card is as high as the list of cards, in which its text scrolls.
func fills_list(card: Control):
	return abs(card.rect_size.y - dock._list.rect_size.y) <= 2 and card._body.focus_mode == Control.FOCUS_ALL


# Whether none of the card's text scrolls.
func shows_all_text(card: Control):
	return card._body.focus_mode == Control.FOCUS_CLICK and card._body.rect_size.y >= card._body.get_content_height()


func make_taller(height: float):
	dock.rect_min_size.y = max(height, dock.MIN_SIZE.y)


# In the middle of `control`: [x, y] in the editor's window.
func place(control: Control) -> Array:
	var at = control.get_global_rect().position + control.rect_size / 2
	return [at.x, at.y]


func _find():
	for sibling in get_parent().get_children():
		if sibling.get_script() == load("res://addons/popbridge/plugin.gd"):
			addon = sibling
			dock = addon._dock
