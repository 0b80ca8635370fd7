extends SceneTree
# Saves a state, then one that the disk has no room for, and prints which one an editor that starts then finds.

const SessionStore = preload("res://addons/popbridge/session_store.gd")
const FOLDER = "res://data"
const PATH = FOLDER + "/" + SessionStore.FILE
# Bytes that a file may have.
const LIMIT = 1 << 20


func _init():
	var store = SessionStore.new(FOLDER)
	store.session = "before"
	store.save()
	print("found: ", _found_after(store))
	# As where Windows was killed between the two steps in which it renames over a file.
	Directory.new().rename(PATH, PATH + ".tmp")
	print("found: ", _found_after(SessionStore.new(FOLDER)))
	quit()


func _found_after(store):
	store.session = "full".repeat(LIMIT)
	store.save()
	return SessionStore.new(FOLDER).session
