@tool
extends VBoxContainer
# The panel: how the connection stands and what to do about it, and below it the cards.

# The person looks for something else.
signal searched

const Accessible := preload("accessible.gd")

const Connection := preload("connection.gd")
const Escape := preload("escape.gd")
const Texts := preload("texts.gd")

const STATES := {
	Connection.Status.SEARCHING: "searching",
	Connection.Status.CONNECTING: "connecting",
	Connection.Status.OPEN: "open",
	Connection.Status.WAITING: "waiting",
}
# Of text that is less important; still read easily, in light themes too.
const FAINT := 0.85
# From so many open popups on they can be searched.
const MANY := 6
# After which it is told that the first connection is being made.
const PATIENCE_S := 1.0
const SIZE := Vector2(200, 200)

# Whether the person has left the cards, and hasn't gone on to a control since.
var has_left := false

var _texts: Texts
var _status := Label.new()
var _list := ScrollContainer.new()
var _cards := VBoxContainer.new()
var _find := LineEdit.new()
var _more := Label.new()
var _nothing := Label.new()
# To connect, since the editor has started.
var _tries := 0


func setup(texts: Texts) -> void:
	name = "PopBridge"
	Accessible.label(self, name)
	_texts = texts
	var editor_scale := EditorInterface.get_editor_scale()
	custom_minimum_size = SIZE * editor_scale
	for label: Label in [_status, _more, _nothing]:
		label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_nothing.text = _texts.of("nothing")
	_nothing.modulate.a = FAINT
	_find.placeholder_text = _texts.of("find")
	_find.clear_button_enabled = true
	_find.text_changed.connect(_on_find_changed)
	Escape.watch(_find, leave)
	Accessible.label(_find, _texts.of("find"))
	Accessible.announce(_status)
	focus_exited.connect(_on_focus_exited)
	_find.visible = false
	_more.visible = false
	for part: Control in [_status, HSeparator.new(), _find, _more, _nothing]:
		add_child(part)
	_list.size_flags_vertical = SIZE_EXPAND_FILL
	_list.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	# Enter presses nothing that isn't seen.
	_list.follow_focus = true
	_list.resized.connect(_share_room)
	_cards.size_flags_horizontal = SIZE_EXPAND_FILL
	_cards.add_theme_constant_override("separation", int(8 * editor_scale))
	_list.add_child(_cards)
	add_child(_list)


func _enter_tree() -> void:
	get_viewport().gui_focus_changed.connect(_on_focus_changed)


func _exit_tree() -> void:
	get_viewport().gui_focus_changed.disconnect(_on_focus_changed)


func show_status(connection: Connection) -> void:
	if connection.status != Connection.Status.CONNECTING:
		_show_status(connection)
		return
	# Tries that fail would make the text flicker, and the cards below it jump: after the first it says what is wrong.
	_tries += 1
	if _tries == 1:
		get_tree().create_timer(PATIENCE_S).timeout.connect(_show_first_try.bind(connection))


# As the card number `place`, from 0.
func add_card(card: Control, place: int) -> void:
	_cards.add_child(card)
	_cards.move_child(card, place)
	card.connect("fitted", _reach_all)
	card.set("room", _list.size.y)
	_nothing.visible = false
	if not _is_beside():
		_raise_tab()


func remove_card(card: Control) -> void:
	_cards.remove_child(card)
	card.queue_free()
	_nothing.visible = _cards.get_child_count() == 0


# `shown` of all that are `open`, which aren't answered yet.
func show_count(shown: int, open: int) -> void:
	if not open:
		_forget_search()
	_find.visible = open >= MANY or _find.text != ""
	# Of no width it would break at each letter, and the panel stay as high as that takes: below the editor's window.
	_more.size.x = size.x
	_more.visible = shown < open
	_more.text = _texts.of("more") % [shown, open]
	var tab := _tab()
	if tab:
		var tabs := tab.get_parent() as TabContainer
		tabs.set_tab_title(tabs.get_tab_idx_from_control(tab), "PopBridge (%d)" % open if open else "PopBridge")


# Whether it is among those that the person looks for.
func is_found(popup: Dictionary) -> bool:
	return _find.text == "" or (popup.title + "\n" + popup.body).findn(_find.text) >= 0


# The person doesn't want to answer now: no key presses anything, until the person goes on to a control.
func leave() -> void:
	has_left = true
	if is_visible_in_tree():
		# Only for now, as a click on the panel's ground means nothing. Tab goes on from there.
		focus_mode = FOCUS_CLICK
		grab_focus()


# Whether the person works in another part of the editor, or has left the cards.
func is_elsewhere() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return has_left or (focused != null and not is_ancestor_of(focused))


# Whether the person types in the panel itself.
func is_typing() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return focused is LineEdit or focused is TextEdit


# A card that was less high for a moment has left the list with that, which hears of no change: the end of the last
# card would stay out of reach.
func _reach_all() -> void:
	# An addon that is being disabled has left the tree.
	if not is_inside_tree():
		return
	await get_tree().process_frame
	_list.update_minimum_size()
	_list.queue_sort()


func _share_room() -> void:
	for card: Control in _cards.get_children():
		card.set("room", _list.size.y)


func _show_first_try(connection: Connection) -> void:
	if _tries == 1 and connection.status == Connection.Status.CONNECTING:
		_show_status(connection)


func _show_status(connection: Connection) -> void:
	_status.text = _texts.of(STATES[connection.status])
	if connection.is_open():
		_status.text %= str(connection.hello.server.get("version", ""))
		if connection.welcome.get("notice"):
			_status.text += "\n" + str(connection.welcome.notice)
	elif connection.refusal:
		_status.text = _texts.of("refused") % connection.refusal


# What comes later isn't what was looked for.
func _forget_search() -> void:
	if _find.text:
		_find.text = ""
		searched.emit()


func _on_find_changed(_text: String) -> void:
	searched.emit()


func _on_focus_changed(control: Control) -> void:
	has_left = has_left and control == self


func _on_focus_exited() -> void:
	focus_mode = FOCUS_NONE


# Whether the person works in a panel that lies in the same place, or has left the cards: raising this one would take
# something away.
func _is_beside() -> bool:
	if has_left or not is_elsewhere() or not _tab():
		return has_left
	return _tab().get_parent().is_ancestor_of(get_viewport().gui_get_focus_owner())


func _raise_tab() -> void:
	var tab := _tab()
	if tab:
		var tabs := tab.get_parent() as TabContainer
		tabs.current_tab = tabs.get_tab_idx_from_control(tab)


# What the panel is in the tabs that it shares its place with: from 4.6 the panel lies in a dock of its own.
func _tab() -> Control:
	var tab: Control = self
	while tab.get_parent() is Control and not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	return tab if tab.get_parent() is TabContainer else null
