tool
extends VBoxContainer
# The panel: how the connection stands and what to do about it, and below it the cards.

const Connection = preload("connection.gd")
const Texts = preload("texts.gd")

const STATES = {
	Connection.Status.SEARCHING: "searching",
	Connection.Status.CONNECTING: "connecting",
	Connection.Status.OPEN: "open",
	Connection.Status.WAITING: "waiting",
}

var _texts: Texts
var _status = Label.new()
var _cards = VBoxContainer.new()
var _nothing = Label.new()


func setup(texts: Texts, editor_scale: float):
	name = "PopBridge"
	_texts = texts
	rect_min_size = Vector2(280, 200) * editor_scale
	_status.autowrap = true
	_nothing.autowrap = true
	_nothing.text = _texts.of("nothing")
	_nothing.modulate.a = 0.6
	add_child(_status)
	add_child(HSeparator.new())
	add_child(_nothing)
	var scroll = ScrollContainer.new()
	scroll.size_flags_vertical = SIZE_EXPAND_FILL
	scroll.scroll_horizontal_enabled = false
	_cards.size_flags_horizontal = SIZE_EXPAND_FILL
	_cards.add_constant_override("separation", int(8 * editor_scale))
	scroll.add_child(_cards)
	add_child(scroll)


func show_status(connection: Connection):
	_status.text = _texts.of(STATES[connection.status])
	if connection.is_open():
		_status.text %= str(connection.hello.server.get("version", ""))
		if connection.welcome.get("notice"):
			_status.text += "\n" + str(connection.welcome.notice)
	elif connection.refusal:
		_status.text = _texts.of("refused") % connection.refusal


func add_card(card: Control):
	_cards.add_child(card)
	_nothing.visible = false
	_raise_tab()


func remove_card(card: Control):
	_cards.remove_child(card)
	card.queue_free()
	_nothing.visible = _cards.get_child_count() == 0


# Brings the panel to the front of the docks that it shares its place with.
func _raise_tab():
	if get_parent() is TabContainer:
		get_parent().current_tab = get_index()
