@tool
extends RefCounted
# The addon's own texts in the editor's language.

const Files := preload("files.gd")

# English template -> translation; empty in English.
var _catalogue := {}


func _init(locale: String) -> void:
	if locale.begins_with("zh"):
		var folder: String = get_script().resource_path.get_base_dir()
		_catalogue = Files.read_json(folder.path_join("locale/zh_CN.json"))


# Returns `template` in the editor's language, with a value for each {placeholder}.
func say(template: String, values := {}) -> String:
	return str(_catalogue.get(template, template)).format(values)
