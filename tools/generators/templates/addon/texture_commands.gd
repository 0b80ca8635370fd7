@tool
extends Node
# Executes the daemon's commands on textures, one after the other, and replies with what it observes afterwards.

signal replied(command: Dictionary, reply: Dictionary)

const Protocol := preload("protocol.gd")
const SessionStore := preload("session_store.gd")
const Text := preload("text.gd")
const Textures := preload("textures.gd")

const MIN_TIMEOUT_MS := 1000

var _textures: Textures
var _store: SessionStore
var _text: Text
var _queue := []
var _is_running := false


func setup(textures: Textures, store: SessionStore, text: Text) -> void:
	_textures = textures
	_store = store
	_text = text


# Queues a `command`; `replied` follows, once.
func enqueue(command: Dictionary) -> void:
	_queue.append(command)
	if not _is_running:
		_run()


# Removes a command that hasn't started.
func cancel(command_id: int) -> void:
	for command: Dictionary in _queue:
		if command.id == command_id:
			_queue.erase(command)
			replied.emit(command, _error(Protocol.ERROR_CANCELLED,
					_text.say("{command} was cancelled before it started.", {"command": command.name})))
			return


func _run() -> void:
	_is_running = true
	while not _queue.is_empty():
		var command: Dictionary = _queue.pop_front()
		if not command.name in ["texture.apply", "texture.revert"]:
			replied.emit(command, _error(Protocol.ERROR_UNSUPPORTED,
					_text.say("This addon (Godot {version}) doesn't support the command {command}.",
							{"version": Engine.get_version_info().major, "command": command.name})))
		elif not _is_list_of_changes(command.args.get("changes")):
			replied.emit(command, _error(Protocol.ERROR_BAD_PARAMS,
					_text.say("{command}: {field} must be a list of changes.",
							{"command": command.name, "field": "changes"})))
		else:
			var reply: Dictionary = await _apply(command)
			replied.emit(command, reply)
	_is_running = false


func _apply(command: Dictionary) -> Dictionary:
	var timeout_ms := maxi(command.deadline_ms, MIN_TIMEOUT_MS)
	var is_idle: bool = await _textures.wait_for_import(timeout_ms)
	if not is_idle:
		return _busy_error(command)
	var errors := []
	var before := {}
	var changes := {}
	var started := _store.before(command.id)
	for change: Dictionary in command.args.changes:
		var problem := _problem(change)
		if problem:
			errors.append({"path": str(change.get("path", "")), "message": problem})
			continue
		var options := _options_to_set(change, started.get(change.path, {}), errors)
		if options.is_empty() and not change.options.is_empty():
			continue
		if not changes.has(change.path):
			changes[change.path] = {}
		for key: String in options:
			changes[change.path][key] = options[key]
		before[change.path] = started.get(change.path, _observe(change.path, changes[change.path]))
	_store.store_before(command.id, before)
	var written := []
	for path: String in changes:
		if _write(path, changes[path]):
			written.append(path)
		else:
			errors.append({"path": path, "message": _text.say(
					"Can't write {file}. Make it writable, check it out, or close the program that uses it.",
					{"file": path + ".import"})})
	var failed: Array = await _textures.reimport(written, timeout_ms)
	return _result(written, failed, changes, before, errors)


func _result(written: Array, failed: Array, changes: Dictionary, before: Dictionary, errors: Array) -> Dictionary:
	var value := {"before": [], "after": [], "errors": errors}
	for path: String in written:
		# What was written can be reverted even if the import failed.
		var after := _observe(path, changes[path])
		value.before.append({"path": path, "options": before[path]})
		value.after.append({"path": path, "options": after})
		_report_unset(path, changes[path], after, errors)
#if godot3
		if path in failed:
			errors.append({"path": path, "message": _text.say(
					"The settings are written. Godot will import the file when the editor has the focus.")})
			continue
#endif
		if path in failed or not _textures.is_valid(path):
			errors.append({"path": path, "message": _text.say(
					"The settings are written, but Godot couldn't import the file. The Output panel shows why.")})
	return {"type": "result", "value": value}


# Adds an error for each option that isn't as asked for. Godot writes a default where an option was removed.
func _report_unset(path: String, options: Dictionary, after: Dictionary, errors: Array) -> void:
	for key: String in options:
		if options[key] != null and not _is_equal(after[key], options[key]):
			errors.append({"path": path, "message": _text.say("{option} is {now}, not {wanted}.",
					{"option": key, "now": _shown(after[key]), "wanted": _shown(options[key])})})


# Returns why `change` can't be applied, or an empty string.
func _problem(change: Dictionary) -> String:
	if typeof(change.get("path")) != TYPE_STRING or typeof(change.get("options")) != TYPE_DICTIONARY \
			or typeof(change.get("expected", {})) != TYPE_DICTIONARY:
		return _text.say("A change needs a path and options.")
	var asset := _textures.describe(change.path)
	if asset.is_empty():
		return _text.say("This file isn't an imported texture of the project.")
	for key: Variant in change.options:
		var wanted: Variant = change.options[key]
		var now: Variant = asset.options.get(key)
		if wanted != null and now != null and not _has_same_type(now, wanted):
			return _text.say("{option} is {now}; {value} has another type.",
					{"option": key, "now": var_to_str(now), "value": var_to_str(wanted)})
	return ""


# Returns the options of `change` to set. An option with neither the `expected` value nor the wanted one was changed
# by somebody since: it stays, and `errors` gets a message. The options in `started` are exempt: an editor that was
# killed had started to set them, and Godot writes a default where one was removed.
func _options_to_set(change: Dictionary, started: Dictionary, errors: Array) -> Dictionary:
	var expected: Dictionary = change.get("expected", {})
	var present: Dictionary = _textures.describe(change.path).options
	var options := {}
	for key: Variant in change.options:
		var now: Variant = present.get(key)
		if expected.has(key) and not started.has(key) and not _is_equal(now, expected[key]) \
				and not _is_equal(now, change.options[key]):
			errors.append({"path": change.path, "message": _changed_message(key, now, expected[key])})
		else:
			options[key] = change.options[key]
	return options


func _changed_message(key: Variant, now: Variant, expected: Variant) -> String:
	# Godot writes a default where no value is set, so perhaps nobody changed it.
	if expected == null:
		return _text.say("{option} is {now} but wasn't set before: Godot or somebody else set it. Left unchanged.",
				{"option": key, "now": _shown(now)})
	return _text.say("{option} was changed meanwhile: it is {now}, not {expected}. Left unchanged.",
			{"option": key, "now": _shown(now), "expected": _shown(expected)})


func _observe(path: String, options: Dictionary) -> Dictionary:
	var present: Dictionary = _textures.describe(path).get("options", {})
	var observed := {}
	for key: Variant in options:
		observed[key] = present.get(key)
	return observed


func _write(path: String, options: Dictionary) -> bool:
	var config := _textures.open_settings(path)
	for key: String in options:
		# Setting null removes the key.
		var now: Variant = config.get_value("params", key) if config.has_section_key("params", key) else null
		config.set_value("params", key, _as_stored(now, options[key]))
	return config.save(path + ".import") == OK


# Numbers keep Godot's type: to Godot, 1 is another setting than 1.0.
static func _as_stored(now: Variant, wanted: Variant) -> Variant:
	if typeof(now) == TYPE_FLOAT and typeof(wanted) == TYPE_INT:
		return float(wanted)
	if typeof(now) == TYPE_INT and typeof(wanted) == TYPE_FLOAT:
		return int(wanted)
	return wanted


static func _has_same_type(now: Variant, wanted: Variant) -> bool:
	if typeof(now) in [TYPE_INT, TYPE_FLOAT]:
		return typeof(wanted) == TYPE_INT or (typeof(wanted) == TYPE_FLOAT and _as_stored(now, wanted) == wanted)
	return typeof(now) == typeof(wanted)


static func _is_equal(now: Variant, other: Variant) -> bool:
	return _has_same_type(now, other) and now == _as_stored(now, other)


static func _shown(value: Variant) -> String:
	return "–" if value == null else var_to_str(value)


static func _is_list_of_changes(value: Variant) -> bool:
	if not value is Array:
		return false
	for change: Variant in value:
		if not change is Dictionary:
			return false
	return true


func _busy_error(command: Dictionary) -> Dictionary:
	var error := _error(Protocol.ERROR_EDITOR_BUSY,
			_text.say("{command} wasn't started: Godot is importing. Try again later.", {"command": command.name}))
	error["retryable"] = true
	error["outcome"] = "not_started"
	return error


static func _error(code: String, message: String) -> Dictionary:
	return {"type": "error", "code": code, "message": message}
