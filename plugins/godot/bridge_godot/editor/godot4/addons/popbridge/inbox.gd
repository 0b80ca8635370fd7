@tool
extends RefCounted
# Which of the daemon's numbered messages are handled; a command under way holds back all above it.

var _highest := 0
var _under_way := {}


func reset(last_handled: int) -> void:
	_highest = last_handled
	_under_way.clear()


# Whether `seq` is new; it is under way then until `finish`.
func begin(seq: int) -> bool:
	if seq <= _highest:
		return false
	_highest = seq
	_under_way[seq] = true
	return true


func finish(seq: int) -> void:
	_under_way.erase(seq)


# The highest number below which nothing is under way.
func handled() -> int:
	return _highest if _under_way.is_empty() else int(_under_way.keys().min()) - 1
