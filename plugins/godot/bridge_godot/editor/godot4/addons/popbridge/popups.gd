@tool
extends Node
# The open popups: one card for each id in the dock, or in a window that blocks nothing; a toast tells of it besides.

signal answered(popup_id: int, state: String, action: String, values: Dictionary)

const Card := preload("card.gd")
const CardWindow := preload("card_window.gd")
const Connection := preload("connection.gd")
const Dock := preload("dock.gd")
const Previews := preload("previews.gd")
const Texts := preload("texts.gd")

# For tests without a person: this action answers every popup that has it.
const TEST_ANSWER := "POPBRIDGE_TEST_ANSWER"

# Cards that can be pressed at once, and as many urgent ones; the others wait, as each costs the editor milliseconds and
# memory.
const MOST_CARDS := 20
# Answers to a whole kind that are given in one frame.
const ANSWERS_A_FRAME := 8
# EditorToaster.Severity, which 4.2 doesn't have yet.
const TOAST := {"info": 0, "warning": 1, "error": 2}

# A daemon that confirms nothing for so long stands still.
var slow_s := 10.0

var _connection: Connection
var _dock: Dock
var _texts: Texts
var _previews: Previews
# id -> {"popup", "kind", "card", "window", "settled", "waits"}; no card while it waits for room. `waits` is how many
# timers run until an answer that isn't confirmed is late.
var _open := {}
# What remains to be answered of a whole kind: [id, state, action].
var _rest: Array[Array] = []
var _changed := false


func setup(connection: Connection, dock: Dock, texts: Texts) -> void:
	_connection = connection
	_dock = dock
	_texts = texts
	_previews = Previews.new(connection)
	_dock.searched.connect(_on_searched)


func show(popup: Dictionary) -> void:
	if _open.has(popup.id):
		return
	_open[popup.id] = {
		"popup": popup, "kind": _kind(popup), "card": null, "window": null, "settled": false, "waits": 0,
	}
	if popup.has("expires_ms"):
		get_tree().create_timer(popup.expires_ms / 1000.0).timeout.connect(_on_expired.bind(popup.id))
	_changed = true


func close(popup_id: int) -> void:
	if _open.has(popup_id):
		_close([popup_id])


# All but these were closed while the editor was away; an answer that isn't confirmed yet is sent again.
func close_others(popup_ids: Array) -> void:
	_close(_unsettled().filter(func(popup_id: int) -> bool: return not popup_ids.has(popup_id)))


func close_all() -> void:
	_rest.clear()
	_close(_open.keys())


# The answers that aren't confirmed were sent again.
func expect_again() -> void:
	_expect(_open.keys().filter(func(popup_id: int) -> bool: return _open[popup_id].settled))
	show_status()


# The editor closes: what remains to be answered is answered at once.
func finish() -> void:
	for answer: Array in _rest:
		if _open.has(answer[0]) and not _open[answer[0]].settled:
			answered.emit(answer[0], answer[1], answer[2], {})
	_rest.clear()


# What becomes of answers depends on the connection.
func show_status() -> void:
	for popup_id: int in _open:
		if _open[popup_id].settled and _open[popup_id].card:
			_open[popup_id].card.settle(_note(popup_id))


# Only one card is made in a frame: the editor stays usable while hundreds come.
func _process(_delta: float) -> void:
	for i in mini(ANSWERS_A_FRAME, _rest.size()):
		var answer: Array = _rest.pop_front()
		_settle(answer[0], answer[1], answer[2], {})
	if _changed:
		var wanted := _wanted()
		_changed = _place_next(wanted)
		_count(wanted)


# Gives whether there was one to place, and room for it.
func _place_next(wanted: Array) -> bool:
	for are_urgent: bool in [true, false]:
		var alike := wanted.filter(func(id: int) -> bool: return _is_urgent(_open[id].popup) == are_urgent)
		var waiting := alike.filter(func(popup_id: int) -> bool: return not _open[popup_id].card)
		if not waiting.is_empty() and alike.size() - waiting.size() < MOST_CARDS:
			_place(waiting[0])
			return true
	return false


func _count(wanted: Array) -> void:
	var alike := {}
	for popup_id: int in wanted:
		if not alike.has(_open[popup_id].kind):
			alike[_open[popup_id].kind] = {}
		alike[_open[popup_id].kind][popup_id] = true
	var placed := wanted.filter(func(popup_id: int) -> bool: return _open[popup_id].card != null)
	for popup_id: int in placed:
		_open[popup_id].card.offer_for_all(alike[_open[popup_id].kind])
	_dock.show_count(placed.size(), _unsettled().size())


func _place(popup_id: int) -> void:
	var shown: Dictionary = _open[popup_id]
	var card := Card.new()
	card.answered.connect(_on_answered)
	card.escaped.connect(_dock.leave)
	shown.card = card
	if shown.popup.get("present") == "modal" and not _has_window():
		shown.window = CardWindow.new()
		shown.window.setup(card, _dock)
		shown.window.close_requested.connect(_on_answered.bind(popup_id, "dismissed", "", {}, []))
	else:
		_dock.add_card(card, _place_of(popup_id))
		card.fit_into(_dock.view)
	card.setup(shown.popup, _texts)
	if shown.popup.get("present") == "toast":
		_toast(shown.popup)
	if shown.popup.has("image"):
		_previews.load_into(card, shown.popup.image)
	# In the next frame: a control that was just added has no place yet.
	_offer.call_deferred(popup_id)


# Cards lie in the order in which their popups came.
func _place_of(popup_id: int) -> int:
	var earlier := _open.keys().slice(0, _open.keys().find(popup_id))
	return earlier.filter(func(other: int) -> bool: return _open[other].card and not _open[other].window).size()


func _offer(popup_id: int) -> void:
	if not _open.has(popup_id):
		return
	var shown: Dictionary = _open[popup_id]
	var wanted := OS.get_environment(TEST_ANSWER)
	for action: Dictionary in shown.popup.actions:
		if wanted and action.id == wanted:
			_settle(popup_id, "answered", wanted, {})
			return
	if shown.window:
		shown.window.fit()
		shown.card.focus_default(_dock)
	else:
		_focus_first(0)


# Enter presses the default button of the card that follows `popup_id`, or else of the oldest.
func _focus_first(popup_id: int) -> void:
	if _open.keys().any(_is_worked_in):
		return
	var wanted := _wanted().filter(func(other: int) -> bool: return _open[other].card and not _open[other].window)
	var later := wanted.filter(func(other: int) -> bool: return other > popup_id)
	if not wanted.is_empty():
		_open[wanted[0] if later.is_empty() else later[0]].card.focus_default(_dock)


# Together: each card that goes moves the focus, which is slow among many.
func _close(popup_ids: Array) -> void:
	var from_dock := []
	var worked_in := popup_ids.filter(_is_worked_in)
	for popup_id: int in popup_ids:
		var shown: Dictionary = _open[popup_id]
		_open.erase(popup_id)
		if shown.window:
			shown.window.queue_free()
		elif shown.card:
			_dock.remove_card(shown.card)
			from_dock.append(popup_id)
	_changed = true
	if from_dock:
		_guard()
		_focus_first((worked_in + from_dock)[0])


func _on_answered(popup_id: int, state: String, action: String, values: Dictionary, others: Array) -> void:
	_settle(popup_id, state, action, values)
	for other: int in others:
		if other != popup_id:
			_rest.append([other, state, action])


func _settle(popup_id: int, state: String, action: String, values: Dictionary) -> void:
	if not _open.has(popup_id) or _open[popup_id].settled:
		return
	var shown: Dictionary = _open[popup_id]
	shown.settled = true
	_expect([popup_id])
	_changed = true
	if shown.window:
		shown.window.hide()
	if shown.card:
		shown.card.settle(_note(popup_id))
		_guard()
	answered.emit(popup_id, state, action, values)
	_focus_first(popup_id)


func _on_expired(popup_id: int) -> void:
	_settle(popup_id, "expired", "", {})


# Of answers that were just sent.
func _expect(popup_ids: Array) -> void:
	for popup_id: int in popup_ids:
		_open[popup_id].waits += 1
	get_tree().create_timer(slow_s).timeout.connect(_on_slow.bind(popup_ids))


func _on_slow(popup_ids: Array) -> void:
	for popup_id: int in popup_ids:
		if _open.has(popup_id) and _open[popup_id].waits:
			_open[popup_id].waits -= 1
	show_status()


func _on_searched() -> void:
	_changed = true
	for popup_id: int in _open:
		if _open[popup_id].card:
			_open[popup_id].card.visible = _is_wanted(popup_id)
	for popup_id: int in _unsettled().filter(_is_hidden).slice(MOST_CARDS):
		_dock.remove_card(_open[popup_id].card)
		_open[popup_id].card = null


func _note(popup_id: int) -> String:
	if not _connection.is_open():
		return _texts.of("kept")
	return _texts.of("sending" if _open[popup_id].waits else "slow")


# The cards have moved: a second click that was meant for the one before must not press what lies there now.
func _guard() -> void:
	for popup_id: int in _open:
		if _open[popup_id].card:
			_open[popup_id].card.guard()


func _unsettled() -> Array:
	return _open.keys().filter(func(popup_id: int) -> bool: return not _open[popup_id].settled)


# Those that can be answered and that the person looks for.
func _wanted() -> Array:
	return _unsettled().filter(_is_wanted)


func _is_wanted(popup_id: int) -> bool:
	return _is_urgent(_open[popup_id].popup) or _dock.is_found(_open[popup_id].popup)


func _has_window() -> bool:
	return _open.values().any(func(shown: Dictionary) -> bool: return shown.window != null and not shown.settled)


# From 4.4. A toast has no buttons: the card is in the dock all the same.
func _toast(popup: Dictionary) -> void:
	if EditorInterface.has_method("get_editor_toaster"):
		var toaster: Object = EditorInterface.call("get_editor_toaster")
		toaster.call("push_toast", popup.title, TOAST.get(popup.get("severity"), 0))


func _is_worked_in(popup_id: int) -> bool:
	return _open[popup_id].card != null and _open[popup_id].card.has_focus_inside()


# Whether its card can go until it is looked for; not what may have been typed into.
func _is_hidden(popup_id: int) -> bool:
	var shown: Dictionary = _open[popup_id]
	return shown.card and not shown.window and not shown.popup.get("fields") and not _is_wanted(popup_id)


# What is soon gone, or wishes to be seen at once, waits behind no others and no search.
static func _is_urgent(popup: Dictionary) -> bool:
	return popup.has("expires_ms") or popup.get("present") in ["toast", "modal"]


# What is filled in is an answer to one popup alone.
static func _kind(popup: Dictionary) -> String:
	if popup.get("fields"):
		return str(popup.id)
	return "%s %s" % [popup.kind, popup.actions.map(func(action: Dictionary) -> String: return action.id)]
