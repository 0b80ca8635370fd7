@tool
extends RefCounted
# What a screen reader says of controls; Godot has the properties from 4.5 on.

# DisplayServer.AccessibilityLiveMode.LIVE_POLITE
const POLITE := 1


static func label(control: Control, text: String, description := "") -> void:
	if "accessibility_name" in control:
		control.set("accessibility_name", text)
		control.set("accessibility_description", description)


# What changes there is read out when the reader has nothing else to say.
static func announce(control: Control) -> void:
	if "accessibility_live" in control:
		control.set("accessibility_live", POLITE)
