@tool
extends RefCounted
# What the editor is doing, in the words of `editor.phase`.

const Assets := preload("assets.gd")

var _last := ""


# The phase, where it is another than at the last call; else empty.
func change(assets: Assets) -> String:
	var phase := _now(assets)
	if phase == _last:
		return ""
	_last = phase
	return phase


# The next `change` gives the phase in any case.
func forget() -> void:
	_last = ""


func _now(assets: Assets) -> String:
	if EditorInterface.is_playing_scene():
		return "playing"
	return "importing" if assets.is_importing() else "idle"
