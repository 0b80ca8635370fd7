@tool
extends VBoxContainer
# The panel: the state of the connection, and below it the cards.

signal searched
# The daemon is being started.
signal started

const Connection := preload("connection.gd")
const Controls := preload("controls.gd")
const Starter := preload("starter.gd")
const Text := preload("text.gd")

# Less important text; still readable in light themes.
const EMPTY_OPACITY := 0.85
# The search field is shown for this many open popups or more.
const SEARCH_FROM := 6
# The first attempt to connect is shown after this.
const CONNECTING_DELAY_S := 1.0
const MIN_SIZE := Vector2(200, 200)

# Whether Escape was pressed in a card, and no control has got the focus since.
var has_left := false

var _text: Text
var _status := Label.new()
var _starter := Starter.new()
var _search := LineEdit.new()
var _count := Label.new()
var _empty := Label.new()
var _list := ScrollContainer.new()
var _cards := VBoxContainer.new()
# Unanswered popups.
var _total := 0
# Attempts to connect since the editor started.
var _attempts := 0


func setup(text: Text, editor_scale: float) -> void:
	name = "PopBridge"
	Controls.label(self, name)
	_text = text
	custom_minimum_size = MIN_SIZE * editor_scale
	for label: Label in [_status, _count, _empty]:
		label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_empty.text = _text.say("No open findings. Imports are checked automatically.")
	_empty.modulate.a = EMPTY_OPACITY
	_search.placeholder_text = _text.say("Search cards")
	_search.clear_button_enabled = true
	_search.text_changed.connect(_on_search_changed)
	_search.gui_input.connect(_on_search_input)
	Controls.label(_search, _search.placeholder_text)
	Controls.announce(_status)
	focus_exited.connect(_on_focus_exited)
	_search.visible = false
	_count.visible = false
	_starter.started.connect(_on_started)
	for part: Control in [_status, _starter, HSeparator.new(), _search, _count, _empty]:
		add_child(part)
	_list.size_flags_vertical = SIZE_EXPAND_FILL
	_list.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	# Enter must not press a button that is out of sight.
	_list.follow_focus = true
	_list.resized.connect(_share_room)
	_cards.size_flags_horizontal = SIZE_EXPAND_FILL
	_cards.add_theme_constant_override("separation", int(8 * editor_scale))
	_list.add_child(_cards)
	add_child(_list)
	_starter.setup(text, editor_scale)


func _enter_tree() -> void:
	get_viewport().gui_focus_changed.connect(_on_focus_changed)


# With another theme, the editor writes its own titles again.
func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and _total:
		call_deferred("_write_title")


func _exit_tree() -> void:
	get_viewport().gui_focus_changed.disconnect(_on_focus_changed)


func show_status(connection: Connection) -> void:
	if connection.status != Connection.Status.CONNECTING:
		_write_status(connection)
		return
	# Later attempts aren't shown: the text would flicker and move the cards. The status says what is wrong.
	_attempts += 1
	if _attempts == 1:
		get_tree().create_timer(CONNECTING_DELAY_S).timeout.connect(_show_first_attempt.bind(connection))


# Inserts `card` at `index`.
func add_card(card: Control, index: int) -> void:
	_cards.add_child(card)
	_cards.move_child(card, index)
#if godot4
	card.connect("fitted", _update_list)
#endif
	card.call("set_room", _list.size.y)
	_empty.visible = false
	if not _is_occupied():
		_raise_tab()


func remove_card(card: Control) -> void:
	_cards.remove_child(card)
	card.queue_free()
	_empty.visible = _cards.get_child_count() == 0


# Shows how many unanswered popups there are; `shown` of them have a card.
func show_count(shown: int, total: int) -> void:
	if not total:
		_clear_search()
	_search.visible = total >= SEARCH_FROM or _search.text != ""
	# Without a width the label would break at each letter, and the panel would reach below the editor's window.
	_count.size.x = size.x
	_count.visible = shown < total
	_count.text = _text.say("Showing {shown} of {total}", {"shown": shown, "total": total})
	_total = total
	_write_title()


# Whether the popup matches the search.
func is_match(popup: Dictionary) -> bool:
	return _search.text == "" or (popup.title + "\n" + popup.body).findn(_search.text) >= 0


# Escape: from now on no key presses a button, until a control gets the focus.
func leave() -> void:
	has_left = true
	if is_visible_in_tree():
		# Only now, as a click on the panel's background means nothing. Tab continues from here.
		focus_mode = FOCUS_CLICK
		grab_focus()


# Whether the person works in another part of the editor, or has left the cards.
func is_elsewhere() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return has_left or (focused != null and not is_ancestor_of(focused))


# Whether the person is typing.
func is_typing() -> bool:
	var focused := get_viewport().gui_get_focus_owner()
	return focused is LineEdit or focused is TextEdit


#if godot4
# The list doesn't notice when a card that was lower for a moment grows again: the end of the last card would be out of
# reach.
func _update_list() -> void:
	# A disabled addon has left the tree.
	if not is_inside_tree():
		return
	await get_tree().process_frame
	_list.update_minimum_size()
	_list.queue_sort()


#endif
func _share_room() -> void:
	for card: Control in _cards.get_children():
		card.call("set_room", _list.size.y)


func _write_title() -> void:
	var tab := _tab()
	if tab:
		var tabs := tab.get_parent() as TabContainer
		tabs.set_tab_title(tabs.get_tab_idx_from_control(tab), "PopBridge (%d)" % _total if _total else "PopBridge")


func _show_first_attempt(connection: Connection) -> void:
	if _attempts == 1 and connection.status == Connection.Status.CONNECTING:
		_write_status(connection)


func _write_status(connection: Connection) -> void:
	var can_start := _starter.show_for(connection.status == Connection.Status.SEARCHING)
	# Nothing is checked while there is no connection.
	_empty.modulate.a = EMPTY_OPACITY if connection.status == Connection.Status.OPEN else 0.0
	match connection.status:
		Connection.Status.SEARCHING:
			_status.text = _text.say("PopBridge isn't running. Imports work as usual and are checked when it is back.") \
					if can_start else \
					_text.say("PopBridge isn't running. Run “popbridge serve”; this panel then connects.")
		Connection.Status.CONNECTING:
			_status.text = _text.say("Connecting to PopBridge…")
		Connection.Status.OPEN:
			var version := str(connection.hello.server.get("version", ""))
			_status.text = _text.say("Connected to PopBridge {version}", {"version": version})
			if connection.welcome.get("notice"):
				_status.text += "\n" + str(connection.welcome.notice)
		Connection.Status.RETRYING:
			_status.text = _text.say("Connection lost, reconnecting… If this goes on, check that “popbridge serve” runs.")
	if connection.refusal and not connection.is_open():
		_status.text = _text.say("PopBridge refused the connection: {reason}", {"reason": connection.refusal})
	match connection.doubt:
		Connection.Doubt.STRANGER:
			_status.text = _text.say(
					"Another program answers in place of PopBridge. Nothing was sent to it. Restart PopBridge.")
		Connection.Doubt.OUTDATED:
			_status.text = _text.say("The running PopBridge is older than this addon. Restart PopBridge.")
		Connection.Doubt.UNVERIFIED:
			_status.text = _text.say(
					"PopBridge isn't running, or its certificate can't be verified. Restart PopBridge.")


func _clear_search() -> void:
	if _search.text:
		_search.text = ""
		searched.emit()


func _on_started() -> void:
	started.emit()


func _on_search_changed(_new_text: String) -> void:
	searched.emit()


func _on_search_input(event: InputEvent) -> void:
	if Controls.is_escape(event, _search):
		_search.accept_event()
		leave()


func _on_focus_changed(control: Control) -> void:
	has_left = has_left and control == self


func _on_focus_exited() -> void:
	focus_mode = FOCUS_NONE


# Whether the person works in a panel in the same place, or has left the cards: raising this panel would disturb.
func _is_occupied() -> bool:
	if has_left or not is_elsewhere() or not _tab():
		return has_left
	return _tab().get_parent().is_ancestor_of(get_viewport().gui_get_focus_owner())


func _raise_tab() -> void:
	var tab := _tab()
	if tab:
		var tabs := tab.get_parent() as TabContainer
		tabs.current_tab = tabs.get_tab_idx_from_control(tab)


# Returns the panel's tab in the container that it shares with others. From 4.6 on that is a dock around the panel.
func _tab() -> Control:
	var tab: Control = self
	while tab.get_parent() is Control and not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	return tab if tab.get_parent() is TabContainer else null
