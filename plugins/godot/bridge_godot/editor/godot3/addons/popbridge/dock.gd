tool
extends VBoxContainer
# The panel: how the connection stands and what to do about it, and below it the cards.

# The person looks for something else.
signal searched()

const Connection = preload("connection.gd")
const Texts = preload("texts.gd")

const STATES = {
	Connection.Status.SEARCHING: "searching",
	Connection.Status.CONNECTING: "connecting",
	Connection.Status.OPEN: "open",
	Connection.Status.WAITING: "waiting",
}
# Of text that is less important; still read easily, in light themes too.
const FAINT = 0.85
# From so many open popups on they can be searched.
const MANY = 6
# After which it is told that the first connection is being made.
const PATIENCE_S = 1.0
const SIZE = Vector2(200, 200)

# Whether the person has left the cards, and hasn't gone on to a control since.
var has_left = false

var _texts: Texts
var _status = Label.new()
var _list = ScrollContainer.new()
var _cards = VBoxContainer.new()
var _find = LineEdit.new()
var _more = Label.new()
var _nothing = Label.new()
# To connect, since the editor has started.
var _tries = 0


func setup(texts: Texts, editor_scale: float):
	name = "PopBridge"
	_texts = texts
	rect_min_size = SIZE * editor_scale
	for label in [_status, _more, _nothing]:
		label.autowrap = true
	_nothing.text = _texts.of("nothing")
	_nothing.modulate.a = FAINT
	_find.placeholder_text = _texts.of("find")
	_find.clear_button_enabled = true
	_find.connect("text_changed", self, "_on_find_changed")
	_find.connect("gui_input", self, "_on_find_key")
	connect("focus_exited", self, "_on_focus_exited")
	_find.visible = false
	_more.visible = false
	for part in [_status, HSeparator.new(), _find, _more, _nothing]:
		add_child(part)
	_list.size_flags_vertical = SIZE_EXPAND_FILL
	_list.scroll_horizontal_enabled = false
	# Enter presses nothing that isn't seen.
	_list.follow_focus = true
	_list.connect("resized", self, "_share_room")
	_cards.size_flags_horizontal = SIZE_EXPAND_FILL
	_cards.add_constant_override("separation", int(8 * editor_scale))
	_list.add_child(_cards)
	add_child(_list)


func _enter_tree():
	get_viewport().connect("gui_focus_changed", self, "_on_focus_changed")


func _exit_tree():
	get_viewport().disconnect("gui_focus_changed", self, "_on_focus_changed")


func show_status(connection: Connection):
	if connection.status != Connection.Status.CONNECTING:
		_show_status(connection)
		return
	# Tries that fail would make the text flicker, and the cards below it jump: after the first it says what is wrong.
	_tries += 1
	if _tries == 1:
		get_tree().create_timer(PATIENCE_S).connect("timeout", self, "_show_first_try", [connection])


# As the card number `place`, from 0.
func add_card(card: Control, place: int):
	_cards.add_child(card)
	_cards.move_child(card, place)
	card.set("room", _list.rect_size.y)
	_nothing.visible = false
	if not _is_beside():
		_raise_tab()


func remove_card(card: Control):
	_cards.remove_child(card)
	card.queue_free()
	_nothing.visible = _cards.get_child_count() == 0


# `shown` of all that are `open`, which aren't answered yet.
func show_count(shown: int, open: int):
	if not open:
		_forget_search()
	_find.visible = open >= MANY or _find.text != ""
	_more.visible = shown < open
	_more.text = _texts.of("more") % [shown, open]
	if get_parent() is TabContainer:
		get_parent().set_tab_title(get_index(), "PopBridge (%d)" % open if open else "PopBridge")


# Whether it is among those that the person looks for.
func is_found(popup: Dictionary) -> bool:
	return _find.text == "" or (popup.title + "\n" + popup.body).findn(_find.text) >= 0


# The person doesn't want to answer now: no key presses anything, until the person goes on to a control.
func leave():
	has_left = true
	if is_visible_in_tree():
		# Only for now, as a click on the panel's ground means nothing. Tab goes on from there.
		focus_mode = FOCUS_CLICK
		grab_focus()


func _share_room():
	for card in _cards.get_children():
		card.set("room", _list.rect_size.y)


func _show_first_try(connection: Connection):
	if _tries == 1 and connection.status == Connection.Status.CONNECTING:
		_show_status(connection)


func _show_status(connection: Connection):
	_status.text = _texts.of(STATES[connection.status])
	if connection.is_open():
		_status.text %= str(connection.hello.server.get("version", ""))
		if connection.welcome.get("notice"):
			_status.text += "\n" + str(connection.welcome.notice)
	elif connection.refusal:
		_status.text = _texts.of("refused") % connection.refusal


# What comes later isn't what was looked for.
func _forget_search():
	if _find.text:
		_find.text = ""
		emit_signal("searched")


func _on_find_changed(_text):
	emit_signal("searched")


func _on_find_key(event: InputEvent):
	if event.is_action_pressed("ui_cancel"):
		accept_event()
		leave()


func _on_focus_changed(control: Control):
	has_left = has_left and control == self


func _on_focus_exited():
	focus_mode = FOCUS_NONE


# Whether the person works in a panel that lies in the same place, or has left the cards: raising this one would take
# something away.
func _is_beside() -> bool:
	if has_left:
		return true
	var focused = get_focus_owner()
	return focused and get_parent() is TabContainer and get_parent().is_a_parent_of(focused) \
			and not is_a_parent_of(focused)


# Brings the panel to the front of the docks that it shares its place with.
func _raise_tab():
	if get_parent() is TabContainer:
		get_parent().current_tab = get_index()
