@tool
extends EditorPlugin
# Puts the addon's parts together; each of them knows one thing and none of them knows this one.

const Assets := preload("assets.gd")
const Connection := preload("connection.gd")
const Dock := preload("dock.gd")
const Identity := preload("identity.gd")
const Popups := preload("popups.gd")
const Session := preload("session.gd")
const SessionStore := preload("session_store.gd")
const Texts := preload("texts.gd")
const TextureCommands := preload("texture_commands.gd")

var _assets := Assets.new()
var _commands := TextureCommands.new()
var _connection := Connection.new()
var _dock := Dock.new()
var _popups := Popups.new()
var _session := Session.new()


func _enter_tree() -> void:
	var language := str(EditorInterface.get_editor_settings().get_setting("interface/editor/editor_language"))
	var identity := Identity.new(_version(), language)
	var texts := Texts.new(identity.locale)
	var store := SessionStore.new(_data_folder())
	_dock.setup(texts)
	_connection.setup(identity, store)
	_session.setup(_connection, store)
	_assets.setup(_connection, store, _data_folder())
	_commands.setup(_assets, store, texts)
	_popups.setup(_connection, _dock, texts)
	_connect_parts()
	add_control_to_dock(DOCK_SLOT_RIGHT_BL, _dock)
	for part: Node in [_assets, _commands, _popups, _session, _connection]:
		add_child(part)
	_dock.show_status(_connection)


func _exit_tree() -> void:
	_popups.finish()
	_session.send_answers()
	_connection.close()
	_popups.close_all()
	remove_control_from_docks(_dock)
	_dock.queue_free()


# An unfocused editor draws less and still runs this.
func _process(_delta: float) -> void:
	if not _connection.is_open() or _connection.paused:
		return
	_assets.report()


func _connect_parts() -> void:
	_connection.opened.connect(_on_opened)
	_connection.status_changed.connect(_dock.show_status.bind(_connection))
	_connection.status_changed.connect(_popups.show_status)
	_session.popup_shown.connect(_popups.show)
	_session.popup_closed.connect(_popups.close)
	_session.popups_void.connect(_popups.close_all)
	_session.command_given.connect(_commands.take)
	_session.command_cancelled.connect(_commands.cancel)
	_commands.answered.connect(_session.reply)
	_popups.answered.connect(_session.answer)


func _on_opened(welcome: Dictionary) -> void:
	if welcome.has("popups"):
		_popups.close_others(welcome.popups)
	_popups.expect_again()
	_assets.report_missed()


# `.godot`, or `godot` where the project says so.
func _data_folder() -> String:
	return EditorInterface.get_editor_paths().get_project_settings_dir().get_base_dir()


func _version() -> String:
	var config := ConfigFile.new()
	config.load((get_script() as Script).resource_path.get_base_dir().path_join("plugin.cfg"))
	return config.get_value("plugin", "version", "0")
