tool
extends EditorPlugin
# Puts the addon's parts together; each of them knows one thing and none of them knows this one.

const Assets = preload("assets.gd")
const Connection = preload("connection.gd")
const Dock = preload("dock.gd")
const Identity = preload("identity.gd")
const Popups = preload("popups.gd")
const Session = preload("session.gd")
const SessionStore = preload("session_store.gd")
const Texts = preload("texts.gd")
const TextureCommands = preload("texture_commands.gd")

var _assets = Assets.new()
var _commands = TextureCommands.new()
var _connection = Connection.new()
var _dock = Dock.new()
var _popups = Popups.new()
var _session = Session.new()
var _store = SessionStore.new()


func _enter_tree():
	var interface = get_editor_interface()
	var language = str(interface.get_editor_settings().get_setting("interface/editor/editor_language"))
	var identity = Identity.new(_version(), language)
	var texts = Texts.new(identity.locale)
	_dock.setup(texts, interface.get_editor_scale())
	_connection.setup(identity, _store)
	_session.setup(_connection, _store)
	_assets.setup(interface, _store)
	_commands.setup(_assets, _store, texts)
	_popups.setup(_connection, _dock, texts, interface)
	_connect_parts()
	add_control_to_dock(DOCK_SLOT_RIGHT_UL, _dock)
	for part in [_assets, _commands, _popups, _session, _connection]:
		add_child(part)
	_dock.show_status(_connection)


func _exit_tree():
	_popups.finish()
	_session.send_answers()
	_connection.close()
	_popups.close_all()
	remove_control_from_docks(_dock)
	_dock.queue_free()


func _connect_parts():
	_connection.connect("opened", self, "_on_opened")
	_connection.connect("status_changed", _dock, "show_status", [_connection])
	_connection.connect("status_changed", _popups, "show_status")
	_session.connect("popup_shown", _popups, "show")
	_session.connect("popup_closed", _popups, "close")
	_session.connect("popups_void", _popups, "close_all")
	_session.connect("command_given", _commands, "take")
	_session.connect("command_cancelled", _commands, "cancel")
	_commands.connect("answered", _session, "reply")
	_popups.connect("answered", _session, "answer")


func _on_opened(welcome: Dictionary):
	if welcome.has("popups"):
		_popups.close_others(welcome.popups)
	_popups.expect_again()
	_assets.report_missed(_connection)


# An unfocused editor draws less and still runs this.
func _process(_delta):
	if not _connection.is_open():
		return
	_assets.report(_connection)


func _version() -> String:
	var config = ConfigFile.new()
	config.load(get_script().resource_path.get_base_dir().plus_file("plugin.cfg"))
	return config.get_value("plugin", "version", "0")
