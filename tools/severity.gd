extends SceneTree
# Draws each side of each case of cases.json and writes its picture.

const SETTLED_FRAMES = 4


func _initialize():
	draw_all()


func draw_all():
	var cases = JSON.parse_string(FileAccess.get_file_as_string("res://cases.json"))
	for case in cases:
		for side in ["wrong", "right"]:
			var scene = lit(case[side]) if case["scene"] == "lit" else call(case["scene"], case[side])
			root.add_child(scene)
			for frame in SETTLED_FRAMES:
				await process_frame
			await RenderingServer.frame_post_draw
			root.get_texture().get_image().save_png("res://%s_%s.out" % [case["name"], side])
			scene.free()
	print("DRAWN ", cases.size())
	quit()


func with_camera(background: Color) -> Node3D:
	var scene = Node3D.new()
	var camera = Camera3D.new()
	camera.projection = Camera3D.PROJECTION_ORTHOGONAL
	camera.size = 2.0
	camera.position = Vector3(0, 0, 3)
	camera.current = true
	var surroundings = Environment.new()
	surroundings.background_mode = Environment.BG_COLOR
	surroundings.background_color = background
	surroundings.ambient_light_source = Environment.AMBIENT_SOURCE_COLOR
	surroundings.ambient_light_color = Color.WHITE
	surroundings.ambient_light_energy = 0.3
	camera.environment = surroundings
	scene.add_child(camera)
	return scene


# A square with a material, lit from the upper left.
func lit(side) -> Node3D:
	var scene = with_camera(Color.BLACK)
	var light = OmniLight3D.new()
	light.position = Vector3(-0.7, 0.8, 1.1)
	light.omni_range = 6.0
	light.light_energy = 1.5
	scene.add_child(light)
	var square = MeshInstance3D.new()
	square.mesh = QuadMesh.new()
	square.mesh.size = Vector2(2, 2)
	square.material_override = material_of(side)
	scene.add_child(square)
	return scene


func material_of(side) -> Material:
	var material: Material
	if side.has("shader"):
		material = ShaderMaterial.new()
		material.shader = Shader.new()
		material.shader.code = side["shader"]
		material.set_shader_parameter("map", load(side["texture"]))
		return material
	material = ORMMaterial3D.new() if side.has("orm") else StandardMaterial3D.new()
	material.albedo_color = Color(0.7, 0.65, 0.6)
	for slot in side["slots"]:
		material.set(slot, load(side["texture"]))
	if "normal_texture" in side["slots"]:
		material.normal_enabled = true
	if "albedo_texture" in side["slots"]:
		material.albedo_color = Color.WHITE
	return material


# A picture of a 2D game, each texel shown as a square.
func flat(side) -> Node:
	var picture = TextureRect.new()
	picture.texture = load(side["texture"])
	picture.texture_filter = CanvasItem.TEXTURE_FILTER_NEAREST
	picture.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	picture.size = root.size
	return picture


# A sky and a white surface in its light.
func sky(side) -> Node3D:
	var scene = with_camera(Color.BLACK)
	var camera = scene.get_child(0)
	camera.projection = Camera3D.PROJECTION_PERSPECTIVE
	camera.environment.background_mode = Environment.BG_SKY
	camera.environment.ambient_light_source = Environment.AMBIENT_SOURCE_SKY
	camera.environment.ambient_light_energy = 1.0
	camera.environment.tonemap_mode = Environment.TONE_MAPPER_FILMIC
	camera.environment.sky = Sky.new()
	camera.environment.sky.sky_material = PanoramaSkyMaterial.new()
	camera.environment.sky.sky_material.panorama = load(side["texture"])
	var ball = MeshInstance3D.new()
	ball.mesh = SphereMesh.new()
	scene.add_child(ball)
	return scene
