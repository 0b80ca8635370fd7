@tool
extends VBoxContainer
# Starts the daemon with the command that its installation recorded, or says which command starts it.

# The daemon is being started.
signal started

const Buttons := preload("buttons.gd")
const Controls := preload("controls.gd")
const Files := preload("files.gd")
const Identity := preload("identity.gd")
const Text := preload("text.gd")

const COMMAND := "popbridge serve"
# A daemon that isn't there after this has probably not started.
const PATIENCE_S := 20.0
# Godot quotes arguments of a program for a shell, but not these in them.
const UNSAFE := ["\"", "$", "`", "\\"]
const GAP := 6
const NOTE_OPACITY := 0.85

var _text: Text
var _buttons := Buttons.new()
var _start := Button.new()
var _line := LineEdit.new()
var _copy := Button.new()
var _note := Label.new()
var _is_starting := false


# Call this when the panel is in the tree.
func setup(text: Text, editor_scale: float) -> void:
	_text = text
	add_theme_constant_override("separation", int(GAP * editor_scale))
	_start.text = _text.say("Start PopBridge")
	_copy.text = _text.say("Copy")
	_line.text = COMMAND
	_line.editable = false
	_start.pressed.connect(_on_start)
	_copy.pressed.connect(_on_copy)
	_note.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_note.modulate.a = NOTE_OPACITY
	Controls.announce(_note)
	Controls.label(_start, _start.text)
	Controls.label(_copy, _copy.text, COMMAND)
	Controls.label(_line, COMMAND)
	for part: Control in [_buttons, _line, _copy, _note]:
		add_child(part)
	_buttons.stacking_width = 10000.0
	_buttons.add(_start)
	_copy.size_flags_horizontal = SIZE_SHRINK_BEGIN
	visible = false
	_style()


func _notification(what: int) -> void:
	if what == NOTIFICATION_THEME_CHANGED and _text:
		_style()


func _style() -> void:
	Controls.fill_primary(_start, self)


# Shows the panel while no daemon runs. Returns whether it can start one.
func show_for(is_needed: bool) -> bool:
	if is_needed and not visible:
		_is_starting = false
		_note.text = _problem()
	visible = is_needed
	var can_start := not read_command().is_empty() and _note.text == "" or _is_starting
	_buttons.visible = can_start
	_line.visible = not can_start
	_copy.visible = not can_start
	_note.visible = _note.text != ""
	return can_start


# Returns the recorded program and its arguments; empty if there is no such file, or others may have written it.
static func read_command() -> Array:
	var file := Identity.start_file()
	var command: Variant = Files.read_json(file).get("command")
	if not command is Array or command.is_empty() or not is_private(file):
		return []
	for word: Variant in command:
		if not word is String:
			return []
	# A relative path would be looked up in the project.
	return command if command[0].is_absolute_path() and not command[0].begins_with("res://") else []


# Whether the file is the user's own, no link, and nobody else may write it. Windows' data folder is private as it is.
static func is_private(file: String) -> bool:
	if OS.get_name() == "Windows":
		return true
	for character: String in UNSAFE:
		if character in file:
			return false
	var user := _output_of("id", ["-u"])
	return user != "" and file == _output_of("find", [file, "-prune", "-type", "f", "-user", user,
			"!", "-perm", "-020", "!", "-perm", "-002"])


static func _output_of(program: String, arguments: Array) -> String:
	var lines := []
#if godot4
	OS.execute(program, PackedStringArray(arguments), lines)
#else
	OS.execute(program, PoolStringArray(arguments), true, lines)
#endif
	return "" if lines.is_empty() else str(lines[0]).strip_edges()


func _problem() -> String:
	var file := Identity.start_file()
	if Files.read_json(file).is_empty() or not read_command().is_empty():
		return ""
	return _text.say("{file} isn't used: it must be your own, and nobody else may be able to write it.", {"file": file})


func _on_start() -> void:
	var command := read_command()
	if command.is_empty():
		show_for(false)
		show_for(true)
		return
	var arguments := []
	for i: int in command.size() - 1:
		arguments.append(command[i + 1])
#if godot4
	var process := OS.create_process(command[0], PackedStringArray(arguments))
#else
	var process = OS.execute(command[0], PoolStringArray(arguments), false)
#endif
	_is_starting = process > 0
	_start.disabled = _is_starting
	_note.visible = true
	if not _is_starting:
		_note.text = _text.say("{program} can't be started. Install PopBridge again.", {"program": command[0]})
		return
	_note.text = _text.say("Starting…")
	started.emit()
	get_tree().create_timer(PATIENCE_S).timeout.connect(_on_late)


func _on_late() -> void:
	_start.disabled = false
	if visible:
		_note.text = _text.say("PopBridge hasn't started yet. Run “popbridge serve” in a terminal to see why.")


func _on_copy() -> void:
#if godot4
	DisplayServer.clipboard_set(COMMAND)
#else
	OS.set_clipboard(COMMAND)
#endif
	_copy.text = _text.say("Copied")
