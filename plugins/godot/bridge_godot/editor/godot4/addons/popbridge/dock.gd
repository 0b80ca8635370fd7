@tool
extends VBoxContainer
# The panel: how the connection stands and what to do about it, and below it the cards.

const Connection := preload("connection.gd")
const Texts := preload("texts.gd")

const STATES := {
	Connection.Status.SEARCHING: "searching",
	Connection.Status.CONNECTING: "connecting",
	Connection.Status.OPEN: "open",
	Connection.Status.WAITING: "waiting",
}

var _texts: Texts
var _status := Label.new()
var _cards := VBoxContainer.new()
var _nothing := Label.new()


func setup(texts: Texts) -> void:
	name = "PopBridge"
	_texts = texts
	var editor_scale := EditorInterface.get_editor_scale()
	custom_minimum_size = Vector2(340, 200) * editor_scale
	_status.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_nothing.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_nothing.text = _texts.of("nothing")
	_nothing.modulate.a = 0.6
	add_child(_status)
	add_child(HSeparator.new())
	add_child(_nothing)
	var scroll := ScrollContainer.new()
	scroll.size_flags_vertical = SIZE_EXPAND_FILL
	scroll.horizontal_scroll_mode = ScrollContainer.SCROLL_MODE_DISABLED
	_cards.size_flags_horizontal = SIZE_EXPAND_FILL
	_cards.add_theme_constant_override("separation", int(8 * editor_scale))
	scroll.add_child(_cards)
	add_child(scroll)


func show_status(connection: Connection) -> void:
	_status.text = _texts.of(STATES[connection.status])
	if connection.is_open():
		_status.text %= str(connection.hello.server.get("version", ""))
		if connection.welcome.get("notice"):
			_status.text += "\n" + str(connection.welcome.notice)
	elif connection.refusal:
		_status.text = _texts.of("refused") % connection.refusal


func add_card(card: Control) -> void:
	_cards.add_child(card)
	_nothing.visible = false
	_raise_tab()


func remove_card(card: Control) -> void:
	_cards.remove_child(card)
	card.queue_free()
	_nothing.visible = _cards.get_child_count() == 0


# Brings the panel to the front of the docks that it shares its place with. From 4.6 the panel lies in a dock of its
# own, which is what the tabs hold.
func _raise_tab() -> void:
	var tab: Control = self
	while tab.get_parent() is Control and not tab.get_parent() is TabContainer:
		tab = tab.get_parent()
	var tabs := tab.get_parent() as TabContainer
	if tabs:
		tabs.current_tab = tabs.get_tab_idx_from_control(tab)
