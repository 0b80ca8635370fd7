tool
extends Node
# The open popups: one card for each id in the dock, or in a dialog that blocks nothing.

signal answered(popup_id, state, action, values)

const Card = preload("card.gd")
const CardDialog = preload("card_dialog.gd")
const Connection = preload("connection.gd")
const Dock = preload("dock.gd")
const Previews = preload("previews.gd")
const Texts = preload("texts.gd")

# For tests without a person: this action answers every popup that has it.
const TEST_ANSWER = "POPBRIDGE_TEST_ANSWER"

# Cards that can be pressed at once, and as many urgent ones; the others wait, as each costs the editor milliseconds and
# memory.
const MOST_CARDS = 20
# Answers to a whole kind that are given in one frame.
const ANSWERS_A_FRAME = 8

# A daemon that confirms nothing for so long stands still.
var slow_s = 10.0

var _connection: Connection
var _dock: Dock
var _texts: Texts
var _previews: Previews
var _base: Control
var _scale = 1.0
# id -> {"popup", "kind", "card", "dialog", "settled", "waits"}; no card while it waits for room. `waits` is how many
# timers run until an answer that isn't confirmed is late.
var _open = {}
# What remains to be answered of a whole kind: [id, state, action].
var _rest = []
var _changed = false


func setup(connection: Connection, dock: Dock, texts: Texts, interface: EditorInterface):
	_connection = connection
	_dock = dock
	_texts = texts
	_previews = Previews.new(connection)
	_base = interface.get_base_control()
	_scale = interface.get_editor_scale()
	_dock.connect("searched", self, "_on_searched")


# Godot 3 has no toasts: what wishes for one is shown in the dock.
func show(popup: Dictionary):
	if _open.has(popup.id):
		return
	_open[popup.id] = {
		"popup": popup, "kind": _kind(popup), "card": null, "dialog": null, "settled": false, "waits": 0,
	}
	if popup.has("expires_ms"):
		get_tree().create_timer(popup.expires_ms / 1000.0).connect("timeout", self, "_on_expired", [popup.id])
	_changed = true


func close(popup_id: int):
	if _open.has(popup_id):
		_close([popup_id])


# All but these were closed while the editor was away; an answer that isn't confirmed yet is sent again.
func close_others(popup_ids: Array):
	var gone = []
	for popup_id in _unsettled():
		if not popup_ids.has(popup_id):
			gone.append(popup_id)
	_close(gone)


func close_all():
	_rest.clear()
	_close(_open.keys())


# The answers that aren't confirmed were sent again.
func expect_again():
	var popup_ids = []
	for popup_id in _open:
		if _open[popup_id].settled:
			popup_ids.append(popup_id)
	_expect(popup_ids)
	show_status()


# The editor closes: what remains to be answered is answered at once.
func finish():
	for answer in _rest:
		if _open.has(answer[0]) and not _open[answer[0]].settled:
			emit_signal("answered", answer[0], answer[1], answer[2], {})
	_rest.clear()


# What becomes of answers depends on the connection.
func show_status():
	for popup_id in _open:
		if _open[popup_id].settled and _open[popup_id].card:
			_open[popup_id].card.settle(_note(popup_id))


# Only one card is made in a frame: the editor stays usable while hundreds come.
func _process(_delta):
	for _i in min(ANSWERS_A_FRAME, _rest.size()):
		var answer = _rest.pop_front()
		_settle(answer[0], answer[1], answer[2], {})
	if _changed:
		var wanted = _wanted()
		_changed = _place_next(wanted)
		_count(wanted)


# Gives whether there was one to place, and room for it.
func _place_next(wanted: Array) -> bool:
	for are_urgent in [true, false]:
		var next = 0
		var cards = 0
		for popup_id in wanted:
			if _is_urgent(_open[popup_id].popup) != are_urgent:
				continue
			if _open[popup_id].card:
				cards += 1
			elif not next:
				next = popup_id
		if next and cards < MOST_CARDS:
			_place(next)
			return true
	return false


func _count(wanted: Array):
	var alike = {}
	for popup_id in wanted:
		if not alike.has(_open[popup_id].kind):
			alike[_open[popup_id].kind] = {}
		alike[_open[popup_id].kind][popup_id] = true
	var cards = 0
	for popup_id in wanted:
		if _open[popup_id].card:
			_open[popup_id].card.offer_for_all(alike[_open[popup_id].kind])
			cards += 1
	_dock.show_count(cards, _unsettled().size())


func _place(popup_id: int):
	var shown = _open[popup_id]
	var card = Card.new()
	card.connect("answered", self, "_on_answered")
	card.connect("escaped", _dock, "leave")
	shown.card = card
	if shown.popup.get("present") == "modal" and not _has_dialog():
		shown.dialog = CardDialog.new()
		shown.dialog.setup(card, _base, _scale)
		shown.dialog.connect("hide", self, "_on_answered", [popup_id, "dismissed", "", {}, []])
	else:
		_dock.add_card(card, _place_of(popup_id))
	card.setup(shown.popup, _texts, _scale)
	if shown.popup.has("image"):
		_previews.load_into(card, shown.popup.image)
	# In the next frame: a control that was just added has no place yet.
	call_deferred("_offer", popup_id)


# Cards lie in the order in which their popups came.
func _place_of(popup_id: int) -> int:
	var earlier = 0
	for other in _open:
		if other == popup_id:
			break
		if _open[other].card and not _open[other].dialog:
			earlier += 1
	return earlier


func _offer(popup_id: int):
	if not _open.has(popup_id):
		return
	var shown = _open[popup_id]
	var wanted = OS.get_environment(TEST_ANSWER)
	for action in shown.popup.actions:
		if wanted and action.id == wanted:
			_settle(popup_id, "answered", wanted, {})
			return
	if shown.dialog:
		shown.dialog.fit(shown.card)
		shown.card.focus_default(_dock)
	else:
		_focus_first(0)


# Enter presses the default button of the card that follows `popup_id`, or else of the oldest.
func _focus_first(popup_id: int):
	if _worked_in():
		return
	var first = null
	for other in _wanted():
		if not _open[other].card or _open[other].dialog:
			continue
		if other > popup_id:
			first = _open[other].card
			break
		if not first:
			first = _open[other].card
	if first:
		first.focus_default(_dock)


# Together: each card that goes moves the focus, which is slow among many.
func _close(popup_ids: Array):
	var from_dock = []
	var worked_in = _worked_in()
	for popup_id in popup_ids:
		var shown = _open[popup_id]
		_open.erase(popup_id)
		if shown.dialog:
			shown.dialog.queue_free()
		elif shown.card:
			_dock.remove_card(shown.card)
			from_dock.append(popup_id)
	_changed = true
	if from_dock:
		_guard()
		_focus_first(worked_in if worked_in in popup_ids else from_dock[0])


func _on_answered(popup_id: int, state: String, action: String, values: Dictionary, others: Array):
	_settle(popup_id, state, action, values)
	for other in others:
		if other != popup_id:
			_rest.append([other, state, action])


func _settle(popup_id: int, state: String, action: String, values: Dictionary):
	if not _open.has(popup_id) or _open[popup_id].settled:
		return
	var shown = _open[popup_id]
	shown.settled = true
	_expect([popup_id])
	_changed = true
	if shown.card:
		shown.card.settle(_note(popup_id))
		_guard()
	if shown.dialog:
		shown.dialog.hide()
	emit_signal("answered", popup_id, state, action, values)
	_focus_first(popup_id)


func _on_expired(popup_id: int):
	_settle(popup_id, "expired", "", {})


# Of answers that were just sent.
func _expect(popup_ids: Array):
	for popup_id in popup_ids:
		_open[popup_id].waits += 1
	get_tree().create_timer(slow_s).connect("timeout", self, "_on_slow", [popup_ids])


func _on_slow(popup_ids: Array):
	for popup_id in popup_ids:
		if _open.has(popup_id) and _open[popup_id].waits:
			_open[popup_id].waits -= 1
	show_status()


func _on_searched():
	_changed = true
	for popup_id in _open:
		if _open[popup_id].card:
			_open[popup_id].card.visible = _is_wanted(popup_id)
	var hidden = 0
	for popup_id in _unsettled():
		if _is_hidden(popup_id):
			hidden += 1
			if hidden > MOST_CARDS:
				_dock.remove_card(_open[popup_id].card)
				_open[popup_id].card = null


func _note(popup_id: int) -> String:
	if not _connection.is_open():
		return _texts.of("kept")
	return _texts.of("sending" if _open[popup_id].waits else "slow")


# The cards have moved: a second click that was meant for the one before must not press what lies there now.
func _guard():
	for popup_id in _open:
		if _open[popup_id].card:
			_open[popup_id].card.guard()


func _unsettled() -> Array:
	var ids = []
	for popup_id in _open:
		if not _open[popup_id].settled:
			ids.append(popup_id)
	return ids


# Those that can be answered and that the person looks for.
func _wanted() -> Array:
	var ids = []
	for popup_id in _unsettled():
		if _is_wanted(popup_id):
			ids.append(popup_id)
	return ids


func _is_wanted(popup_id: int) -> bool:
	return _is_urgent(_open[popup_id].popup) or _dock.is_found(_open[popup_id].popup)


func _has_dialog() -> bool:
	for shown in _open.values():
		if shown.dialog and not shown.settled:
			return true
	return false


# The popup whose card has the focus; 0 for none.
func _worked_in() -> int:
	for popup_id in _open:
		if _open[popup_id].card and _open[popup_id].card.has_focus_inside():
			return popup_id
	return 0


# Whether its card can go until it is looked for; not what may have been typed into.
func _is_hidden(popup_id: int) -> bool:
	var shown = _open[popup_id]
	return shown.card and not shown.dialog and not shown.popup.get("fields") and not _is_wanted(popup_id)


# What is soon gone, or wishes to be seen at once, waits behind no others and no search.
static func _is_urgent(popup: Dictionary) -> bool:
	return popup.has("expires_ms") or popup.get("present") in ["toast", "modal"]


# What is filled in is an answer to one popup alone.
static func _kind(popup: Dictionary) -> String:
	if popup.get("fields"):
		return str(popup.id)
	var actions = []
	for action in popup.actions:
		actions.append(action.id)
	return "%s %s" % [popup.kind, actions]
