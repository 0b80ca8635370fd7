@tool
extends Node
# The open popups: each has a card in the dock, or in a window that isn't modal.

# `answer` has the fields of the popup's `answer` without the id.
signal answered(popup_id: int, answer: Dictionary)
# A texture is to be shown in the editor's own view of the project's files.
signal located(path: String)

const Card := preload("card.gd")
const CardWindow := preload("card_window.gd")
const Connection := preload("connection.gd")
const Dock := preload("dock.gd")
const Loader := preload("loader.gd")
const Text := preload("text.gd")

# For tests: this action answers every popup that has it.
const TEST_ANSWER := "POPBRIDGE_TEST_ANSWER"

# Cards at a time, and as many urgent ones; other popups wait, as each card costs milliseconds and memory.
const MAX_CARDS := 20
# Answers to popups of the same kind in one frame.
const ANSWERS_PER_FRAME := 8
# A card whose answer is carried out goes if nothing has been heard of it for so long.
const PATIENCE_MS := 30000
#if godot4
# EditorToaster.Severity, which 4.2 doesn't have.
const TOAST_SEVERITIES := {"info": 0, "warning": 1, "error": 2}
#endif

# After this an unconfirmed answer is shown as such.
var slow_s := 10.0

var _connection: Connection
var _loader: Loader
var _dock: Dock
var _text: Text
var _base: Control
var _scale := 1.0
# id -> {"popup", "kind", "card", "window", "order", "earlier", "is_answered", "timers"}. The card is null while the popup
# waits; `timers` are those of unconfirmed answers that still run.
var _open := {}
# Cards whose answer is being carried out: id -> when they go, if no popup has taken their place.
var _working := {}
# Lists that were closed, for a popup that takes their place: id -> {"order", "earlier"}.
var _closed := {}
# Answers to popups of the same kind that aren't given yet: [id, answer].
var _queued_answers := []
var _is_changed := false


# `base` is the editor's main control.
func setup(
	connection: Connection, loader: Loader, dock: Dock, text: Text, base: Control, editor_scale: float
) -> void:
	_connection = connection
	_loader = loader
	_dock = dock
	_text = text
	_base = base
	_scale = editor_scale
	_dock.searched.connect(_on_searched)


func show(popup: Dictionary) -> void:
	if _open.has(popup.id):
		return
	var place := _place_of(popup.get("replaces", -1))
	_open[popup.id] = {
		"popup": popup, "kind": _kind(popup), "card": null, "window": null, "order": place.get("order", popup.id),
		"earlier": place.get("earlier", {}), "is_answered": false, "timers": 0,
	}
	if popup.has("expires_ms"):
		get_tree().create_timer(popup.expires_ms / 1000.0).timeout.connect(_on_expired.bind(popup.id))
	if _open.has(popup.get("replaces", -1)):
		# At once, so that nothing jumps.
		var is_focused: bool = _focused() == popup.replaces
		_create_card(popup.id)
		_close([popup.replaces])
		if is_focused:
			_open[popup.id].card.focus_default(_dock)
	_is_changed = true


func close(popup_id: int, reason: String) -> void:
	if not _open.has(popup_id):
		return
	if reason == "answered" and _is_worked_on(popup_id):
		_working[popup_id] = Time.get_ticks_msec() + PATIENCE_MS
	else:
		_close([popup_id])


func show_progress(progress: Dictionary) -> void:
	if _open.has(progress.id) and _open[progress.id].card:
		_open[progress.id].card.show_progress(progress.fraction, progress.get("text", ""))
		if _open[progress.id].is_answered:
			_working[progress.id] = Time.get_ticks_msec() + PATIENCE_MS


# Closes all but these, which were closed while the editor was away. Unconfirmed answers are sent again.
func close_others(popup_ids: Array) -> void:
	var closed := []
	for popup_id: int in _unanswered():
		if not popup_ids.has(popup_id):
			closed.append(popup_id)
	_close(closed)


func close_all() -> void:
	_queued_answers.clear()
	_close(_open.keys())


# Waits again for the confirmation of answers that were sent again.
func restart_timers() -> void:
	var popup_ids := []
	for popup_id: int in _open:
		if _open[popup_id].is_answered:
			popup_ids.append(popup_id)
	_start_timer(popup_ids)
	show_status()


# The editor closes: gives the queued answers at once.
func finish() -> void:
	for answer: Array in _queued_answers:
		if _open.has(answer[0]) and not _open[answer[0]].is_answered:
			answered.emit(answer[0], answer[1])
	_queued_answers.clear()


# What becomes of answers depends on the connection.
func show_status() -> void:
	for popup_id: int in _open:
		if _open[popup_id].is_answered and _open[popup_id].card and not _working.has(popup_id):
			_open[popup_id].card.show_note(_note(popup_id))


# Creates one card in a frame: the editor stays responsive while hundreds come.
func _process(_delta: float) -> void:
	for _i: int in mini(ANSWERS_PER_FRAME, _queued_answers.size()):
		var answer: Array = _queued_answers.pop_front()
		_answer(answer[0], answer[1])
	for popup_id: int in _working.keys():
		if Time.get_ticks_msec() > _working[popup_id]:
			_close([popup_id])
	if _is_changed:
		var matching := _matching()
		_is_changed = _create_next_card(matching)
		_count(matching)


# Returns whether there was a popup without a card, and room for one.
func _create_next_card(popup_ids: Array) -> bool:
	for is_urgent: bool in [true, false]:
		var next := -1
		var cards := 0
		for popup_id: int in popup_ids:
			if _is_urgent(_open[popup_id].popup) != is_urgent:
				continue
			if _open[popup_id].card:
				cards += 1
			elif next < 0:
				next = popup_id
		if next >= 0 and cards < MAX_CARDS:
			_create_card(next)
			return true
	return false


func _count(popup_ids: Array) -> void:
	var by_kind := {}
	for popup_id: int in popup_ids:
		if not by_kind.has(_open[popup_id].kind):
			by_kind[_open[popup_id].kind] = {}
		by_kind[_open[popup_id].kind][popup_id] = true
	var cards := 0
	for popup_id: int in popup_ids:
		if _open[popup_id].card:
			_open[popup_id].card.offer_for_all(by_kind[_open[popup_id].kind])
			cards += 1
	_dock.show_count(cards, _unanswered().size())


func _create_card(popup_id: int) -> void:
	var shown: Dictionary = _open[popup_id]
	var card := Card.new()
	card.answered.connect(_on_answered)
	card.located.connect(_on_located)
	card.escaped.connect(_dock.leave)
	shown.card = card
	if shown.popup.get("present") == "modal" and not _has_window():
		var window := CardWindow.new()
		shown.window = window
		window.setup(card, _dock, _base, _scale)
		window.close_requested.connect(_on_answered.bind(popup_id, {"state": "dismissed"}, []))
	else:
		_dock.add_card(card, _index_in_dock(popup_id))
	card.setup(shown.popup, _loader, _text, _scale, shown.earlier)
	if shown.popup.has("image") and not _has_items(shown.popup):
		card.load_preview()
#if godot4
	if shown.popup.get("present") == "toast":
		_toast(shown.popup)
#endif
	# In the next frame, when the card has its place.
	call_deferred("_offer", popup_id)


# Cards are in the order in which their popups came; one that replaces another has its place.
func _index_in_dock(popup_id: int) -> int:
	var index := 0
	for other: int in _open:
		if other != popup_id and _open[other].card and not _open[other].window \
				and _open[other].order <= _open[popup_id].order:
			index += 1
	return index


func _offer(popup_id: int) -> void:
	if not _open.has(popup_id):
		return
	var shown: Dictionary = _open[popup_id]
	var test_answer := OS.get_environment(TEST_ANSWER)
	for action: Dictionary in shown.popup.actions:
		if test_answer and action.id == test_answer:
			_answer(popup_id, {"state": "answered", "action": test_answer})
			return
	if shown.window:
		shown.window.fit()
		shown.card.focus_default(_dock)
	else:
		_focus_after(-1)


# Gives the focus to the card after `popup_id`, or else to the oldest.
func _focus_after(popup_id: int) -> void:
	if _focused() >= 0:
		return
	var card: Card = null
	for other: int in _matching():
		if not _open[other].card or _open[other].window:
			continue
		if other > popup_id:
			card = _open[other].card
			break
		if not card:
			card = _open[other].card
	if card:
		card.focus_default(_dock)


# Closes several together: each card that goes moves the focus, which is slow among many.
func _close(popup_ids: Array) -> void:
	var from_dock := []
	var focused := _focused()
	for popup_id: int in popup_ids:
		var shown: Dictionary = _open[popup_id]
		if shown.card and shown.card.list_state():
			_closed[popup_id] = {"order": shown.order, "earlier": shown.card.list_state()}
			if _closed.size() > MAX_CARDS:
				_closed.erase(_closed.keys()[0])
		_open.erase(popup_id)
		_working.erase(popup_id)
		if shown.window:
			shown.window.queue_free()
		elif shown.card:
			_dock.remove_card(shown.card)
			from_dock.append(popup_id)
	_is_changed = true
	if not from_dock.is_empty():
		_guard()
		_focus_after(focused if popup_ids.has(focused) else from_dock[0])


func _on_answered(popup_id: int, answer: Dictionary, others: Array) -> void:
	_answer(popup_id, answer)
	for other: int in others:
		if other != popup_id:
			_queued_answers.append([other, answer])


func _on_located(path: String) -> void:
	located.emit(path)


func _answer(popup_id: int, answer: Dictionary) -> void:
	if not _open.has(popup_id) or _open[popup_id].is_answered:
		return
	var shown: Dictionary = _open[popup_id]
	shown.is_answered = true
	_start_timer([popup_id])
	_is_changed = true
	if shown.window:
		shown.window.hide()
	if shown.card:
		shown.card.show_note(_note(popup_id))
		_guard()
	shown["answer"] = answer
	answered.emit(popup_id, answer)
	_focus_after(popup_id)


func _on_expired(popup_id: int) -> void:
	_answer(popup_id, {"state": "expired"})


func _start_timer(popup_ids: Array) -> void:
	for popup_id: int in popup_ids:
		_open[popup_id].timers += 1
	get_tree().create_timer(slow_s).timeout.connect(_on_slow.bind(popup_ids))


func _on_slow(popup_ids: Array) -> void:
	for popup_id: int in popup_ids:
		if _open.has(popup_id) and _open[popup_id].timers:
			_open[popup_id].timers -= 1
	show_status()


func _on_searched() -> void:
	_is_changed = true
	for popup_id: int in _open:
		if _open[popup_id].card:
			_open[popup_id].card.visible = _is_match(popup_id)
	var hidden := 0
	for popup_id: int in _unanswered():
		if _is_hidden(popup_id):
			hidden += 1
			if hidden > MAX_CARDS:
				_dock.remove_card(_open[popup_id].card)
				_open[popup_id].card = null


func _note(popup_id: int) -> String:
	if not _connection.is_open():
		return _text.say("Saved; sent when PopBridge is back.")
	if _open[popup_id].timers:
		return _text.say("Working…")
	return _text.say("Saved, but not confirmed yet. If this goes on, check that “popbridge serve” still runs.")


# The cards have moved: a second click must not press a button that is now under the mouse.
func _guard() -> void:
	for popup_id: int in _open:
		if _open[popup_id].card:
			_open[popup_id].card.guard()


func _unanswered() -> Array:
	var popup_ids := []
	for popup_id: int in _open:
		if not _open[popup_id].is_answered:
			popup_ids.append(popup_id)
	return popup_ids


# Returns the unanswered popups that match the search.
func _matching() -> Array:
	var popup_ids := []
	for popup_id: int in _unanswered():
		if _is_match(popup_id):
			popup_ids.append(popup_id)
	return popup_ids


func _is_match(popup_id: int) -> bool:
	return _is_urgent(_open[popup_id].popup) or _dock.is_match(_open[popup_id].popup)


func _has_window() -> bool:
	for shown: Dictionary in _open.values():
		if shown.window and not shown.is_answered:
			return true
	return false


#if godot4
# From 4.4 on. A toast has no buttons: the card is in the dock, too.
func _toast(popup: Dictionary) -> void:
	if EditorInterface.has_method("get_editor_toaster"):
		var toaster: Object = EditorInterface.call("get_editor_toaster")
		toaster.call("push_toast", popup.title, TOAST_SEVERITIES.get(popup.get("severity"), 0))


#endif
# Returns the popup whose card has the focus; -1 for none.
func _focused() -> int:
	for popup_id: int in _open:
		if _open[popup_id].card and _open[popup_id].card.has_focus_inside():
			return popup_id
	return -1


# Whether the search hides the card so that it can be removed: nothing can have been typed into it.
func _is_hidden(popup_id: int) -> bool:
	var shown: Dictionary = _open[popup_id]
	return shown.card and not shown.window and not shown.popup.get("fields") and not _is_match(popup_id)


# A list has a picture of each texture.
static func _has_items(popup: Dictionary) -> bool:
	return popup.has("items_blob") or not popup.get("items", []).is_empty()


# A popup that expires, or asks for attention, doesn't wait for others and ignores the search.
static func _is_urgent(popup: Dictionary) -> bool:
	return popup.has("expires_ms") or popup.get("present") in ["toast", "modal"]


# Returns where the popup `replaced` is or was, and what it had open; empty if it is unknown.
func _place_of(replaced: int) -> Dictionary:
	if _open.has(replaced):
		var card: Card = _open[replaced].card
		return {"order": _open[replaced].order, "earlier": card.list_state() if card else _open[replaced].earlier}
	return _closed.get(replaced, {})


# Whether the answer changes textures, which a popup in the card's place will report.
func _is_worked_on(popup_id: int) -> bool:
	var shown: Dictionary = _open[popup_id]
	if not shown.card or not shown.card.list_state() or not shown.is_answered:
		return false
	for action: Dictionary in shown.popup.actions:
		if action.id == shown.answer.get("action") and (action.get("label_many", "") or action.get("choices", [])):
			return true
	return false


# Popups of the same kind can be answered together, unless they have fields or lists.
static func _kind(popup: Dictionary) -> String:
	if popup.get("fields") or _has_items(popup):
		return str(popup.id)
	var actions := []
	for action: Dictionary in popup.actions:
		actions.append(action.id)
	return "%s %s" % [popup.kind, actions]
