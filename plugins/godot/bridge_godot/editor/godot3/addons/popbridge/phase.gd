tool
extends Reference
# What the editor is doing, in the words of `editor.phase`.

const Assets = preload("assets.gd")

var _last = ""


func now(interface: EditorInterface, assets: Assets) -> String:
	if interface.is_playing_scene():
		return "playing"
	return "importing" if assets.is_importing() else "idle"


# The phase, where it is another than at the last call; else empty.
func change(interface: EditorInterface, assets: Assets) -> String:
	var phase = now(interface, assets)
	if phase == _last:
		return ""
	_last = phase
	return phase


# The next `change` gives the phase in any case.
func forget():
	_last = ""
