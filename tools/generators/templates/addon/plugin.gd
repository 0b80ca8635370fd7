@tool
extends EditorPlugin
# Creates the addon's parts and connects them.

const Connection := preload("connection.gd")
const Dock := preload("dock.gd")
const Identity := preload("identity.gd")
const Loader := preload("loader.gd")
const Popups := preload("popups.gd")
const Session := preload("session.gd")
const SessionStore := preload("session_store.gd")
const Text := preload("text.gd")
const TextureCommands := preload("texture_commands.gd")
const Textures := preload("textures.gd")

var _commands := TextureCommands.new()
var _connection := Connection.new()
var _dock := Dock.new()
var _loader := Loader.new()
var _popups := Popups.new()
var _session := Session.new()
var _textures := Textures.new()


func _enter_tree() -> void:
	var base := EditorInterface.get_base_control()
	var editor_scale := EditorInterface.get_editor_scale()
	var language := str(EditorInterface.get_editor_settings().get_setting("interface/editor/editor_language"))
	var identity := Identity.new(_version(), language)
	var text := Text.new(identity.locale)
#if godot4
	# `.godot`, or `godot` if the project is configured so.
	var data_folder := EditorInterface.get_editor_paths().get_project_settings_dir().get_base_dir()
#else
	# The editor ignores other programs' files there.
	var data_folder = "res://.import"
#endif
	var store := SessionStore.new(data_folder)
	_dock.setup(text, editor_scale)
	_connection.setup(identity, store)
	_session.setup(_connection, store, text)
#if godot4
	_textures.setup(_connection, store, data_folder)
#else
	_textures.setup(_connection, store, data_folder, get_editor_interface())
#endif
	_commands.setup(_textures, store, text)
	_loader.setup(_connection, _session)
	_popups.setup(_connection, _loader, _dock, text, base, editor_scale)
	_connect_parts()
#if godot4
	add_control_to_dock(DOCK_SLOT_RIGHT_BL, _dock)
#else
	add_control_to_dock(DOCK_SLOT_RIGHT_UL, _dock)
#endif
	for part: Node in [_textures, _commands, _loader, _popups, _session, _connection]:
		add_child(part)
	_dock.show_status(_connection)


func _exit_tree() -> void:
	_popups.finish()
	_session.send_answers()
	_connection.close()
	_popups.close_all()
	remove_control_from_docks(_dock)
	_dock.queue_free()


# Also runs while the editor isn't focused and draws less.
func _process(_delta: float) -> void:
	if _connection.is_active():
		_textures.report()


func _connect_parts() -> void:
	_connection.opened.connect(_on_opened)
	_connection.status_changed.connect(_dock.show_status.bind(_connection))
	_connection.status_changed.connect(_popups.show_status)
	_session.popup_shown.connect(_popups.show)
	_session.popup_closed.connect(_popups.close)
	_session.popup_progressed.connect(_popups.show_progress)
	_session.popups_void.connect(_popups.close_all)
	_session.command_received.connect(_commands.enqueue)
	_session.command_cancelled.connect(_commands.cancel)
	_commands.replied.connect(_session.reply)
	_popups.answered.connect(_session.answer)
	_popups.located.connect(_on_located)
	_dock.started.connect(_connection.hurry)


func _on_opened(welcome: Dictionary) -> void:
	if welcome.has("popups"):
		_popups.close_others(welcome.popups)
	_popups.restart_timers()
	_textures.report_missed()


func _on_located(path: String) -> void:
	EditorInterface.select_file("res://" + path)


func _version() -> String:
	var config := ConfigFile.new()
	var folder: String = get_script().resource_path.get_base_dir()
	config.load(folder.path_join("plugin.cfg"))
	return config.get_value("plugin", "version", "0")
