@tool
extends Node
# Carries out the daemon's commands on textures, one after the other, and answers with what is observed.

signal answered(command: Dictionary, reply: Dictionary)

const Assets := preload("assets.gd")
const Protocol := preload("protocol.g.gd")
const SessionStore := preload("session_store.gd")
const Texts := preload("texts.gd")

const LEAST_MS := 1000

var _assets: Assets
var _store: SessionStore
var _texts: Texts
var _queue: Array[Dictionary] = []
var _busy := false


func setup(assets: Assets, store: SessionStore, texts: Texts) -> void:
	_assets = assets
	_store = store
	_texts = texts


# Takes a `command`; `answered` follows, once.
func take(command: Dictionary) -> void:
	_queue.append(command)
	if not _busy:
		_work()


# Takes back what hasn't begun.
func cancel(command_id: int) -> void:
	for command in _queue:
		if command.id == command_id:
			_queue.erase(command)
			_answer(command, _error(Protocol.ERROR_CANCELLED, _texts.of("cancelled") % command.name))
			return


func _work() -> void:
	_busy = true
	while not _queue.is_empty():
		var command: Dictionary = _queue.pop_front()
		match command.name:
			"texture.apply", "texture.revert":
				if _is_list(command, "changes", TYPE_DICTIONARY):
					_answer(command, await _apply(command))
			_:
				_answer(command, _error(Protocol.ERROR_UNSUPPORTED,
						_texts.of("unknown_command") % command.name))
	_busy = false


func _apply(command: Dictionary) -> Dictionary:
	var within_ms := maxi(command.deadline_ms, LEAST_MS)
	if not await _assets.settled(within_ms):
		return _busy_error(command)
	var errors := []
	var before := {}
	var changes := {}
	var known := _store.before(command.id)
	for change: Dictionary in command.args.changes:
		var problem := _problem(change)
		if problem:
			errors.append({"path": str(change.get("path", "")), "message": problem})
			continue
		var due := _still_due(change, known.get(change.path, {}), errors)
		if due.is_empty() and not change.options.is_empty():
			continue
		if not changes.has(change.path):
			changes[change.path] = {}
		changes[change.path].merge(due, true)
		before[change.path] = known.get(change.path, _observed(change.path, changes[change.path]))
	_store.keep_before(command.id, before)
	var written := []
	for path: String in changes:
		if _write(path, changes[path]):
			written.append(path)
		else:
			errors.append({"path": path, "message": _texts.of("cant_write") % path})
	var failed := await _assets.reimport(written, within_ms)
	return _result(_outcome(written, failed, changes, before, errors))


func _outcome(written: Array, failed: Array, changes: Dictionary, before: Dictionary, errors: Array) -> Dictionary:
	var value := {"before": [], "after": [], "errors": errors}
	for path: String in written:
		# What was written can be put back, whatever came of the import.
		value.before.append({"path": path, "options": before[path]})
		value.after.append({"path": path, "options": _observed(path, changes[path])})
		if path in failed or not _assets.is_valid(path):
			errors.append({"path": path, "message": _texts.of("not_imported")})
	return value


# Why `change` can't be carried out; empty where it can.
func _problem(change: Dictionary) -> String:
	if typeof(change.get("path")) != TYPE_STRING or typeof(change.get("options")) != TYPE_DICTIONARY \
			or typeof(change.get("expected", {})) != TYPE_DICTIONARY:
		return _texts.of("malformed")
	var asset := _assets.describe(change.path)
	if asset.is_empty():
		return _missing(change.path).message
	for key: Variant in change.options:
		var asked: Variant = change.options[key]
		var now: Variant = asset.options.get(key)
		if asked != null and now != null and not _is_alike(now, asked):
			return _texts.of("other_type") % [key, var_to_str(now), var_to_str(asked)]
	return ""


# What is to be set. An option that has neither the value that `expected` names nor the one it would get was set by
# somebody since: it stays, and `errors` says so. Of those that are `begun`, by an editor that was killed then, nobody
# can tell: Godot writes its own value where one was taken away.
func _still_due(change: Dictionary, begun: Dictionary, errors: Array) -> Dictionary:
	var expected: Dictionary = change.get("expected", {})
	var now: Dictionary = _assets.describe(change.path).options
	var due := {}
	for key: Variant in change.options:
		var is_now: Variant = now.get(key)
		if expected.has(key) and not begun.has(key) and not _is_same(is_now, expected[key]) \
				and not _is_same(is_now, change.options[key]):
			errors.append({"path": change.path, "message": _left(key, is_now, expected[key])})
		else:
			due[key] = change.options[key]
	return due


func _left(key: Variant, now: Variant, expected: Variant) -> String:
	# Godot writes its own value where none is set: nobody need have changed that.
	if expected == null:
		return _texts.of("left_unset") % [key, _shown(now)]
	return _texts.of("changed_since") % [key, _shown(now), _shown(expected)]


func _observed(path: String, asked: Dictionary) -> Dictionary:
	var now: Dictionary = _assets.describe(path).get("options", {})
	var seen := {}
	for key: Variant in asked:
		seen[key] = now.get(key)
	return seen


func _write(path: String, options: Dictionary) -> bool:
	var config := _assets.open_settings(path)
	for key: String in options:
		# ConfigFile takes null for "away".
		var now: Variant = config.get_value("params", key) if config.has_section_key("params", key) else null
		config.set_value("params", key, _as_stored(now, options[key]))
	return config.save(path + ".import") == OK


# Numbers keep the type that Godot wrote: 1 for 1.0 would be another setting to it.
static func _as_stored(now: Variant, asked: Variant) -> Variant:
	if typeof(now) == TYPE_FLOAT and typeof(asked) == TYPE_INT:
		return float(asked)
	if typeof(now) == TYPE_INT and typeof(asked) == TYPE_FLOAT:
		return int(asked)
	return asked


static func _is_alike(now: Variant, asked: Variant) -> bool:
	if typeof(now) in [TYPE_INT, TYPE_FLOAT]:
		return typeof(asked) == TYPE_INT or (typeof(asked) == TYPE_FLOAT and _as_stored(now, asked) == asked)
	return typeof(now) == typeof(asked)


static func _is_same(now: Variant, other: Variant) -> bool:
	return _is_alike(now, other) and now == _as_stored(now, other)


static func _shown(value: Variant) -> String:
	return "–" if value == null else var_to_str(value)


func _is_list(command: Dictionary, field: String, of: int) -> bool:
	var items: Variant = command.args.get(field)
	var good: bool = items is Array \
			and items.all(func(item: Variant) -> bool: return typeof(item) == of)
	if not good:
		_answer(command, _error(Protocol.ERROR_BAD_PARAMS, _texts.of("not_a_list") % [command.name, field]))
	return good


func _answer(command: Dictionary, reply: Dictionary) -> void:
	answered.emit(command, reply)


func _missing(path: String) -> Dictionary:
	return {"path": path, "message": _texts.of("missing")}


static func _result(value: Dictionary) -> Dictionary:
	return {"type": "result", "value": value}


func _busy_error(command: Dictionary) -> Dictionary:
	var error := _error(Protocol.ERROR_EDITOR_BUSY, _texts.of("importing") % command.name)
	error["retryable"] = true
	error["outcome"] = "not_started"
	return error


static func _error(code: String, message: String) -> Dictionary:
	return {"type": "error", "code": code, "message": message}
