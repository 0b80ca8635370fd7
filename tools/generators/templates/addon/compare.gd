@tool
extends VBoxContainer
# Two pictures of the same size, before and after a change, with a slider between them.

signal escaped

const Controls := preload("controls.gd")
const Text := preload("text.gd")

const MAX_HEIGHT := 260
const MIN_HEIGHT := 90
# Of the height that the card has: the changes below are as important.
const SHARE := 0.4
const EDGE := 2
const GAP := 4
# The part of the picture that is shown as before, 0 to 1, and one press of a key.
const START := 0.5
const STEP := 0.05

var _scale := 1.0
var _aspect := 1.0
var _room := 0.0
var _stage := Control.new()
var _before := TextureRect.new()
var _after := TextureRect.new()
var _clip := Control.new()
var _edge := ColorRect.new()
var _captions := [Label.new(), Label.new()]
var _slider := HSlider.new()


# `room` is the height of the card.
func setup(before: Texture2D, after: Texture2D, text: Text, editor_scale: float, room: float) -> void:
	_scale = editor_scale
	_room = room
	_aspect = float(before.get_height()) / maxf(1, before.get_width())
	_before.texture = before
	_after.texture = after
	for picture: TextureRect in [_before, _after]:
		picture.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
		picture.stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_COVERED
	add_child(_stage)
	_stage.add_child(_after)
	_stage.add_child(_clip)
	_clip.add_child(_before)
	_clip.clip_contents = true
	_edge.color = Color.WHITE
	_stage.add_child(_edge)
	_captions[0].text = text.say("Before")
	_captions[1].text = text.say("After")
	for caption: Label in _captions:
		caption.add_theme_stylebox_override("normal", _create_ground())
		caption.add_theme_color_override("font_color", Color.WHITE)
		_stage.add_child(caption)
	for part: Control in [_before, _after, _clip, _edge, _captions[0], _captions[1]]:
		part.mouse_filter = MOUSE_FILTER_IGNORE
	_stage.mouse_default_cursor_shape = CURSOR_HSIZE
	_stage.gui_input.connect(_on_stage_input)
	_stage.resized.connect(_arrange)
	_slider.max_value = 1.0
	_slider.step = 0.01
	_slider.value = START
	_slider.value_changed.connect(_on_value_changed)
	_slider.gui_input.connect(_on_slider_input)
	_slider.tooltip_text = text.say("Compare before and after")
	Controls.label(_slider, _slider.tooltip_text)
	add_child(_slider)
	_arrange()


func set_room(height: float) -> void:
	_room = height
	_arrange()


func _arrange() -> void:
	var room := _stage.get_size()
	var max_height := clampf(_room * SHARE, MIN_HEIGHT * _scale, MAX_HEIGHT * _scale)
	_stage.custom_minimum_size.y = ceilf(minf(room.x * _aspect, max_height))
	var split := roundf(room.x * _slider.value)
	for picture: TextureRect in [_before, _after]:
		picture.set_position(Vector2.ZERO)
		picture.set_size(room)
	_clip.set_size(Vector2(split, room.y))
	_edge.set_size(Vector2(EDGE * _scale, room.y))
	_edge.set_position(Vector2(split - EDGE * _scale / 2, 0))
	var gap := Vector2(GAP, GAP) * _scale
	for i: int in 2:
		var size_of: Vector2 = _captions[i].get_combined_minimum_size()
		_captions[i].set_size(size_of)
		_captions[i].set_position(Vector2(gap.x if i == 0 else room.x - size_of.x - gap.x, room.y - size_of.y - gap.y))
	# A caption is only true of what is beside it.
	_captions[0].visible = split > _captions[0].get_size().x
	_captions[1].visible = room.x - split > _captions[1].get_size().x


func _create_ground() -> StyleBoxFlat:
	var ground := StyleBoxFlat.new()
	ground.bg_color = Color(0, 0, 0, 0.7)
	ground.set_corner_radius_all(int(3 * _scale))
#if godot4
	ground.set_content_margin_all(GAP * _scale)
#else
	for side in [MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM]:
		ground.set_default_margin(side, GAP * _scale)
#endif
	return ground


func _on_value_changed(_value: float) -> void:
	_arrange()


# The arrow keys move the edge visibly, not by the slider's own small step.
func _on_slider_input(event: InputEvent) -> void:
	if Controls.is_escape(event, _slider):
		_slider.accept_event()
		escaped.emit()
	for direction: int in [-1, 1]:
		if event.is_action_pressed("ui_left" if direction < 0 else "ui_right", true):
			_slider.value += direction * STEP
			_slider.accept_event()


func _on_stage_input(event: InputEvent) -> void:
	var is_held := false
	if event is InputEventMouseButton:
		is_held = event.pressed and event.button_index == MOUSE_BUTTON_LEFT
	elif event is InputEventMouseMotion:
		is_held = event.button_mask & 1 != 0
	if is_held:
		_slider.value = event.position.x / maxf(1, _stage.get_size().x)
		_stage.accept_event()
