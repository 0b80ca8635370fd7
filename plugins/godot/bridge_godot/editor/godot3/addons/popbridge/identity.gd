tool
extends Reference
# Who this editor is, in the words of `identify`, and where the daemon's connection.json lies.

const Protocol = preload("protocol.g.gd")

var version = ""
var locale = ""
# New each time that the editor starts.
var instance = Crypto.new().generate_random_bytes(16).hex_encode()


func _init(plugin_version: String, editor_language: String):
	version = plugin_version
	locale = editor_language.replace("_", "-")


func identify(token: String, resume: Dictionary) -> Dictionary:
	var root = project_root()
	var message = {
		"type": "identify",
		"protocol": Protocol.PROTOCOL,
		"client": {"kind": "editor", "name": "popbridge-godot", "version": version},
		"engine": {"name": "godot", "version": engine_version()},
		"project": {"id": root.sha256_text(), "name": project_name(), "root": root},
		"instance": instance,
		"features": [],
		"auth": {"token": token},
	}
	if locale:
		message["locale"] = locale
	if resume:
		message["resume"] = resume
	return message


# As `godot --version` prints it: 3.6.stable.official.de2f0f147.
static func engine_version() -> String:
	var info = Engine.get_version_info()
	var parts = [info.major, info.minor]
	if info.patch > 0:
		parts.append(info.patch)
	parts += [info.status, info.build]
	if info.hash and info.hash != "unknown":
		parts.append(info.hash.left(9))
	return PoolStringArray(parts).join(".")


static func project_root() -> String:
	var root = ProjectSettings.globalize_path("res://")
	return root.rstrip("/") if root.length() > 1 else root


static func project_name() -> String:
	var name = str(ProjectSettings.get_setting("application/config/name"))
	return name if name else project_root().get_file()


# See docs/editor-contract.md.
static func connection_file() -> String:
	return _run_folder().plus_file("connection.json")


# Empty where no daemon has written it.
static func read_connection() -> Dictionary:
	var file = File.new()
	if file.open(connection_file(), File.READ) != OK:
		return {}
	var content = JSON.parse(file.get_as_text()).result
	file.close()
	if content is Dictionary and content.has_all(["ws", "http", "token"]):
		return content
	return {}


static func _run_folder() -> String:
	var home = OS.get_environment("POPBRIDGE_HOME")
	if home:
		return home
	match OS.get_name():
		"Windows":
			return OS.get_environment("LOCALAPPDATA").replace("\\", "/").plus_file("popbridge/run")
		"OSX":
			return OS.get_environment("HOME").plus_file("Library/Application Support/popbridge/run")
	var runtime = OS.get_environment("XDG_RUNTIME_DIR")
	if runtime:
		return runtime.plus_file("popbridge")
	return OS.get_environment("HOME").plus_file(".local/share/popbridge/run")
