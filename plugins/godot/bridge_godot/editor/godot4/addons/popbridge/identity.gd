@tool
extends RefCounted
# Who this editor is, in the words of `identify`, and where the daemon's connection.json lies.

const Protocol := preload("protocol.g.gd")

var version := ""
var locale := ""
# New each time that the editor starts.
var instance := Crypto.new().generate_random_bytes(16).hex_encode()


func _init(plugin_version: String, editor_language: String) -> void:
	version = plugin_version
	# Newer editors may be set to "auto"; a system without a language says "C".
	var language := OS.get_locale() if editor_language in ["", "auto"] else editor_language
	locale = "en" if language in ["", "C", "POSIX"] else language.replace("_", "-")


func identify(token: String, resume: Dictionary) -> Dictionary:
	var root := project_root()
	var message := {
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
	if not resume.is_empty():
		message["resume"] = resume
	return message


# As `godot --version` prints it: 4.2.1.stable.official.b09f793f5.
static func engine_version() -> String:
	var info := Engine.get_version_info()
	var parts := [info.major, info.minor]
	if info.patch > 0:
		parts.append(info.patch)
	parts += [info.status, info.build]
	var commit := str(info.hash)
	if commit and commit != "unknown":
		parts.append(commit.left(9))
	return ".".join(PackedStringArray(parts.map(func(part: Variant) -> String: return str(part))))


static func project_root() -> String:
	var root := ProjectSettings.globalize_path("res://")
	return root.rstrip("/") if root.length() > 1 else root


static func project_name() -> String:
	var name := str(ProjectSettings.get_setting("application/config/name", ""))
	return name if name else project_root().get_file()


# See docs/editor-contract.md.
static func connection_file() -> String:
	return _run_folder().path_join("connection.json")


# Empty where no daemon has written it.
static func read_connection() -> Dictionary:
	var path := connection_file()
	if not FileAccess.file_exists(path):
		return {}
	var json := JSON.new()
	if json.parse(FileAccess.get_file_as_string(path)) != OK or not json.data is Dictionary:
		return {}
	var content: Dictionary = json.data
	return content if content.has_all(["ws", "http", "token"]) else {}


static func _run_folder() -> String:
	var home := OS.get_environment("POPBRIDGE_HOME")
	if home:
		return home
	match OS.get_name():
		"Windows":
			return OS.get_environment("LOCALAPPDATA").replace("\\", "/").path_join("popbridge/run")
		"macOS":
			return OS.get_environment("HOME").path_join("Library/Application Support/popbridge/run")
	var runtime := OS.get_environment("XDG_RUNTIME_DIR")
	if runtime:
		return runtime.path_join("popbridge")
	return OS.get_environment("HOME").path_join(".local/share/popbridge/run")
