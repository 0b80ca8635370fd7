@tool
extends RefCounted
# The items of a popup and which of them are ticked. The unit is a leaf, one change of one texture; a row with children
# shows the sum of theirs.

signal changed

const OFF := 0
const MIXED := 1
const ON := 2
# The status of a row is the first of these that one of its leaves has.
const IMPORTANCE := ["pending", "failed", "kept", "done"]

# The rows at the top: ids, in order.
var roots := []

# id -> the popup's item
var _items := {}
# id -> the id of the row around it, or an empty string
var _parents := {}
# What became of the leaves below a row, or of itself: id -> {status: true}.
var _outcomes := {}
# id -> how many leaves below it, or it itself, can be ticked, and how many are
var _checkable := {}
var _ticked := {}
# The leaves that can be ticked: id -> the texture that it changes.
var _textures := {}
# The leaves that are ticked with a leaf: id -> ids.
var _partners := {}
# The textures with a ticked leaf: its path -> how many.
var _ticked_textures := {}
# Items to read, the next one last: [item, id of the parent, texture].
var _unread := []


func _init(items: Array) -> void:
	for i: int in items.size():
		roots.append(items[i].id)
		_unread.append([items[items.size() - 1 - i], "", ""])


# Reads items until `deadline`, in milliseconds since the editor's start. Returns whether all are read.
func read(deadline: int) -> bool:
	while not _unread.is_empty():
		_read_next()
		if Time.get_ticks_msec() >= deadline:
			break
	return _unread.is_empty()


func has(id: String) -> bool:
	return _items.has(id)


func item(id: String) -> Dictionary:
	return _items[id]


func parent(id: String) -> String:
	return _parents[id]


func children(id: String) -> Array:
	return _items[id].get("children", [])


# Returns the rows in the same place as `id`, it among them.
func siblings(id: String) -> Array:
	var ids := []
	if _parents[id] == "":
		return roots
	for child: Dictionary in children(_parents[id]):
		ids.append(child.id)
	return ids


func is_checkable(id: String) -> bool:
	return _checkable.get(id, 0) > 0


# Returns OFF, MIXED or ON.
func tick(id: String) -> int:
	if _ticked.get(id, 0) == 0:
		return OFF
	return ON if _ticked[id] == _checkable[id] else MIXED


# Returns what became of the row: the most important status of its leaves, or an empty string.
func outcome(id: String) -> String:
	for status: String in IMPORTANCE:
		if _outcomes.has(id) and _outcomes[id].has(status):
			return status
	return ""


# Ticks the row, or unticks it if all of it is ticked.
func toggle(id: String) -> void:
	set_ticked(id, tick(id) != ON)


func set_ticked(id: String, is_on: bool) -> void:
	var below := [id]
	while not below.is_empty():
		var next: String = below.pop_back()
		if _textures.has(next):
			_set_leaf(next, is_on)
		for child: Dictionary in children(next):
			below.append(child.id)
	changed.emit()


# Returns the ids of the ticked leaves.
func checked() -> Array:
	var ids := []
	for id: String in _textures:
		if _ticked[id]:
			ids.append(id)
	return ids


# Returns how many textures have at least one tick.
func count() -> int:
	return _ticked_textures.size()


func _read_next() -> void:
	var next: Array = _unread.pop_back()
	var found: Dictionary = next[0]
	var texture: String = found.get("path", next[2])
	_items[found.id] = found
	_parents[found.id] = next[1]
	var below: Array = found.get("children", [])
	for i: int in below.size():
		_unread.append([below[below.size() - 1 - i], found.id, texture])
	if not below.is_empty():
		return
	if found.get("status", "") != "":
		_add_outcome(found.id, found.status)
	# Nothing is left to tick where it says what became of it.
	if found.get("locked", "") != "" or found.get("status", "") != "":
		return
	_textures[found.id] = texture if texture != "" else found.id
	for partner: String in found.get("needs", []):
		_add_partner(found.id, partner)
		_add_partner(partner, found.id)
	_add(_checkable, found.id, 1)
	_ticked[found.id] = 0
	if found.get("checked", false):
		_count(found.id, 1)


func _set_leaf(id: String, is_on: bool) -> void:
	var together := [id]
	while not together.is_empty():
		var next: String = together.pop_back()
		if _textures.has(next) and (_ticked[next] > 0) != is_on:
			_count(next, 1 if is_on else -1)
			together += _partners.get(next, [])


func _count(leaf: String, step: int) -> void:
	_add(_ticked, leaf, step)
	var texture: String = _textures[leaf]
	_ticked_textures[texture] = _ticked_textures.get(texture, 0) + step
	if _ticked_textures[texture] == 0:
		_ticked_textures.erase(texture)


# Adds to the number of the row and of the rows around it.
func _add(counts: Dictionary, id: String, step: int) -> void:
	var row := id
	while row != "":
		counts[row] = counts.get(row, 0) + step
		row = _parents[row]


func _add_outcome(id: String, status: String) -> void:
	var row := id
	while row != "":
		if not _outcomes.has(row):
			_outcomes[row] = {}
		_outcomes[row][status] = true
		row = _parents[row]


func _add_partner(id: String, partner: String) -> void:
	if not _partners.has(id):
		_partners[id] = []
	_partners[id].append(partner)
