@tool
extends RefCounted
# What this editor tells the daemon about itself in `identify`, and where connection.json is.

const Files := preload("files.gd")
const Protocol := preload("protocol.gd")

# `popup_items`: popups with lists, and their progress.
const FEATURES := ["popup_items"]

var version := ""
var locale := ""
# New at each start of the editor.
var instance := Crypto.new().generate_random_bytes(16).hex_encode()


func _init(plugin_version: String, editor_language: String) -> void:
	version = plugin_version
	# Newer editors may be set to "auto"; a system without a language says "C".
	var language := OS.get_locale() if editor_language in ["", "auto"] else editor_language
	locale = "en" if language in ["", "C", "POSIX"] else language.replace("_", "-")


# `auth` is the editor's proof. `offered` are the daemon's features: it may refuse a client that wants others.
func identify(auth: Dictionary, resume: Dictionary, offered: Array) -> Dictionary:
	var root := project_root()
	var features := []
	for feature: String in FEATURES:
		if offered.has(feature):
			features.append(feature)
	var message := {
		"type": "identify",
		"protocol": Protocol.PROTOCOL,
		"client": {"kind": "editor", "name": "popbridge-godot", "version": version},
		"engine": {"name": "godot", "version": engine_version()},
		"project": {"id": root.sha256_text(), "name": project_name(), "root": root},
		"instance": instance,
		"features": features,
		"auth": auth,
		"locale": locale,
	}
	if not resume.is_empty():
		message["resume"] = resume
	return message


# Returns what `godot --version` prints: 4.2.1.stable.official.b09f793f5.
static func engine_version() -> String:
	var info := Engine.get_version_info()
	var text := "%d.%d" % [info.major, info.minor]
	if info.patch > 0:
		text += ".%d" % info.patch
	text += ".%s.%s" % [info.status, info.build]
	var commit := str(info.hash)
	if commit and commit != "unknown":
		text += "." + commit.left(9)
	return text


static func project_root() -> String:
	var root := ProjectSettings.globalize_path("res://")
	return root.rstrip("/") if root.length() > 1 else root


static func project_name() -> String:
	var name := str(ProjectSettings.get_setting("application/config/name"))
	return name if name else project_root().get_file()


# Returns the content of connection.json; empty if no daemon has written it.
static func read_connection() -> Dictionary:
	var content := Files.read_json(_run_folder().path_join("connection.json"))
	return content if content.has_all(["ws", "http", "token"]) else {}


# Returns the SHA-256 of the daemon's certificate; empty without TLS.
static func fingerprint_in(content: Dictionary) -> String:
	var fingerprint: Variant = content.get("fingerprint")
	return fingerprint if fingerprint is String else ""


# Returns the certificate that the daemon's must be issued by; null if it can't be read. `content` is connection.json's.
static func read_certificate(content: Dictionary) -> X509Certificate:
	var certificate := X509Certificate.new()
#if godot4
	var problem := certificate.load_from_string(str(content.get("ca", "")))
#else
	# Godot 3 reads certificates from files only. `content` says the same.
	var path = _run_folder().plus_file("ca.pem")
	var problem = certificate.load(path) if File.new().file_exists(path) else ERR_FILE_NOT_FOUND
#endif
	return certificate if problem == OK else null


# Returns the file that `popbridge install` and `popbridge service` write: {"command": [program, arguments…]} starts the
# daemon. It is in the user's own folder, never in the project, and unlike XDG_RUNTIME_DIR that outlives a logout.
static func start_file() -> String:
	var home := OS.get_environment("POPBRIDGE_HOME")
	return (home if home else _data_folder().path_join("run")).path_join("start.json")


# See the editor contract in the documentation.
static func _run_folder() -> String:
	var home := OS.get_environment("POPBRIDGE_HOME")
	if home:
		return home
	var runtime := OS.get_environment("XDG_RUNTIME_DIR")
	if runtime and not OS.get_name() in ["Windows", "macOS", "OSX"]:
		return runtime.path_join("popbridge")
	return _data_folder().path_join("run")


# An editor from a sandbox or a store has its own XDG_DATA_HOME, so that is ignored.
static func _data_folder() -> String:
	match OS.get_name():
		"Windows":
			return OS.get_environment("LOCALAPPDATA").replace("\\", "/").path_join("popbridge")
		"macOS", "OSX":
			return OS.get_environment("HOME").path_join("Library/Application Support/popbridge")
	return OS.get_environment("HOME").path_join(".local/share/popbridge")
