tool
extends Node
# Carries out the daemon's commands on textures, one after the other, and answers with what is observed.

signal answered(command, reply)

const Assets = preload("assets.gd")
const Protocol = preload("protocol.g.gd")
const SessionStore = preload("session_store.gd")
const Texts = preload("texts.gd")

const LEAST_MS = 1000

var _assets: Assets
var _store: SessionStore
var _texts: Texts
var _queue = []
var _busy = false


func setup(assets: Assets, store: SessionStore, texts: Texts):
	_assets = assets
	_store = store
	_texts = texts


# Takes a `command`; `answered` follows, once.
func take(command: Dictionary):
	_queue.append(command)
	if not _busy:
		_work()


# Takes back what hasn't begun.
func cancel(command_id: int):
	for command in _queue:
		if command.id == command_id:
			_queue.erase(command)
			_answer(command, _error(Protocol.ERROR_CANCELLED, _texts.of("cancelled") % command.name))
			return


func _work():
	_busy = true
	while _queue:
		var command = _queue.pop_front()
		match command.name:
			"texture.apply", "texture.revert":
				if _is_list(command, "changes", TYPE_DICTIONARY):
					_answer(command, yield(_apply(command), "completed"))
			_:
				_answer(command, _error(Protocol.ERROR_UNSUPPORTED,
						_texts.of("unknown_command") % command.name))
	_busy = false


func _apply(command: Dictionary):
	var within_ms = int(max(command.deadline_ms, LEAST_MS))
	if not yield(_assets.settled(within_ms), "completed"):
		return _busy_error(command)
	var errors = []
	var before = {}
	var changes = {}
	var known = _store.before(command.id)
	for change in command.args.changes:
		var problem = _problem(change)
		if problem:
			errors.append({"path": str(change.get("path", "")), "message": problem})
			continue
		var due = _still_due(change, known.get(change.path, {}), errors)
		if not due and change.options:
			continue
		changes[change.path] = _merged(changes.get(change.path, {}), due)
		before[change.path] = known.get(change.path, _observed(change.path, changes[change.path]))
	_store.keep_before(command.id, before)
	var written = []
	for path in changes:
		if _write(path, changes[path]):
			written.append(path)
		else:
			errors.append({"path": path, "message": _texts.of("cant_write") % path})
	var late = yield(_assets.reimport(written, within_ms), "completed")
	return _result(_outcome(written, late, changes, before, errors))


func _outcome(written: Array, late: Array, changes: Dictionary, before: Dictionary, errors: Array) -> Dictionary:
	var value = {"before": [], "after": [], "errors": errors}
	for path in written:
		# What was written can be put back, whatever came of the import.
		value.before.append({"path": path, "options": before[path]})
		value.after.append({"path": path, "options": _observed(path, changes[path])})
		if path in late:
			errors.append({"path": path, "message": _texts.of("late")})
		elif not _assets.is_valid(path):
			errors.append({"path": path, "message": _texts.of("not_imported")})
	return value


# Why `change` can't be carried out; empty where it can.
func _problem(change: Dictionary) -> String:
	if typeof(change.get("path")) != TYPE_STRING or typeof(change.get("options")) != TYPE_DICTIONARY \
			or typeof(change.get("expected", {})) != TYPE_DICTIONARY:
		return _texts.of("malformed")
	var asset = _assets.describe(change.path)
	if not asset:
		return _missing(change.path).message
	for key in change.options:
		var asked = change.options[key]
		var now = asset.options.get(key)
		if asked != null and now != null and not _is_alike(now, asked):
			return _texts.of("other_type") % [key, var2str(now), var2str(asked)]
	return ""


# What is to be set. An option that has neither the value that `expected` names nor the one it would get was set by
# somebody since: it stays, and `errors` says so. Of those that are `begun`, by an editor that was killed then, nobody
# can tell: Godot writes its own value where one was taken away.
func _still_due(change: Dictionary, begun: Dictionary, errors: Array) -> Dictionary:
	var expected = change.get("expected", {})
	var now = _assets.describe(change.path).options
	var due = {}
	for key in change.options:
		var is_now = now.get(key)
		if expected.has(key) and not begun.has(key) and not _is_same(is_now, expected[key]) \
				and not _is_same(is_now, change.options[key]):
			errors.append({"path": change.path, "message": _left(key, is_now, expected[key])})
		else:
			due[key] = change.options[key]
	return due


func _left(key, now, expected) -> String:
	# Godot writes its own value where none is set: nobody need have changed that.
	if expected == null:
		return _texts.of("left_unset") % [key, _shown(now)]
	return _texts.of("changed_since") % [key, _shown(now), _shown(expected)]


func _observed(path: String, asked: Dictionary) -> Dictionary:
	var now = _assets.describe(path).get("options", {})
	var seen = {}
	for key in asked:
		seen[key] = now.get(key)
	return seen


func _write(path: String, options: Dictionary) -> bool:
	var config = _assets.open_settings(path)
	for key in options:
		# ConfigFile takes null for "away".
		var now = config.get_value("params", key) if config.has_section_key("params", key) else null
		config.set_value("params", key, _as_stored(now, options[key]))
	return config.save(path + ".import") == OK


func _merged(options: Dictionary, more: Dictionary) -> Dictionary:
	var all = options.duplicate()
	for key in more:
		all[key] = more[key]
	return all


# Numbers keep the type that Godot wrote: 1 for 1.0 would be another setting to it.
func _as_stored(now, asked):
	if typeof(now) == TYPE_REAL and typeof(asked) == TYPE_INT:
		return float(asked)
	if typeof(now) == TYPE_INT and typeof(asked) == TYPE_REAL:
		return int(asked)
	return asked


func _is_alike(now, asked) -> bool:
	if typeof(now) in [TYPE_INT, TYPE_REAL]:
		return typeof(asked) == TYPE_INT or (typeof(asked) == TYPE_REAL and _as_stored(now, asked) == asked)
	return typeof(now) == typeof(asked)


func _is_same(now, other) -> bool:
	return _is_alike(now, other) and now == _as_stored(now, other)


static func _shown(value) -> String:
	return "–" if value == null else var2str(value)


func _is_list(command: Dictionary, name: String, of: int) -> bool:
	var items = command.args.get(name)
	var good = typeof(items) == TYPE_ARRAY
	if good:
		for item in items:
			good = good and typeof(item) == of
	if not good:
		_answer(command, _error(Protocol.ERROR_BAD_PARAMS, _texts.of("not_a_list") % [command.name, name]))
	return good


func _missing(path: String) -> Dictionary:
	return {"path": path, "message": _texts.of("missing")}


func _answer(command: Dictionary, reply: Dictionary):
	emit_signal("answered", command, reply)


static func _result(value) -> Dictionary:
	return {"type": "result", "value": value}


func _busy_error(command: Dictionary) -> Dictionary:
	var error = _error(Protocol.ERROR_EDITOR_BUSY, _texts.of("importing") % command.name)
	error["retryable"] = true
	error["outcome"] = "not_started"
	return error


static func _error(code: String, message: String) -> Dictionary:
	return {"type": "error", "code": code, "message": message}
