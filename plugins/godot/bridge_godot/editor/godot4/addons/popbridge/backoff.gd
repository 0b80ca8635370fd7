@tool
extends RefCounted
# When to try again: after 0.25 s, doubled up to 8 s, with up to a quarter of jitter.

const FIRST_S := 0.25
const LONGEST_S := 8.0
const JITTER := 0.25

var _delay := FIRST_S
var _due := 0


func is_due() -> bool:
	return Time.get_ticks_msec() >= _due


# Puts the next attempt off, each time further.
func wait() -> void:
	_due = Time.get_ticks_msec() + int(_delay * 1000 * (1 + randf() * JITTER))
	_delay = minf(_delay * 2, LONGEST_S)


func reset() -> void:
	_delay = FIRST_S
	_due = Time.get_ticks_msec() + int(FIRST_S * 1000)
