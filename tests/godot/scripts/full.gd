extends SceneTree
# Saves a state, then one that the disk has no room for, and prints which one an editor that starts then finds.

const SessionStore := preload("res://addons/popbridge/session_store.gd")
const FOLDER := "res://data"
const PATH := FOLDER + "/" + SessionStore.FILE
# The most bytes that a file may have.
const LIMIT := 1 << 20


func _init() -> void:
	var store := SessionStore.new(FOLDER)
	store.session = "before"
	store.save()
	print("found: ", _found_after(store))
	# As if Windows were killed between the two steps in which it replaces a file.
	DirAccess.rename_absolute(PATH, PATH + ".tmp")
	print("found: ", _found_after(SessionStore.new(FOLDER)))
	quit()


func _found_after(store: SessionStore) -> String:
	store.session = "full".repeat(LIMIT)
	store.save()
	return SessionStore.new(FOLDER).session
