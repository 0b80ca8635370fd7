extends SceneTree
# Keeps a state, then one that the disk has no room for, and tells which one an editor that starts then finds.

const SessionStore = preload("res://addons/popbridge/session_store.gd")
# Bytes that a file may have.
const LIMIT = 1 << 20


func _init():
	var store = SessionStore.new()
	store.session = "before"
	store.save()
	store.session = "full".repeat(LIMIT)
	store.save()
	print("found: ", SessionStore.new().session)
	quit()
