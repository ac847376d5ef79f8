"""Makes what the merge of layers is measured against, with plain Blender.

DIR/all.exr        all three view layers, as Blender's own multilayer file
DIR/LAYER.exr      a view layer alone, multilayer
DIR/bare_LAYER.exr a view layer alone, plain R G B A
DIR/late_chars.exr `chars` of another frame
DIR/moved.exr      `chars` with the camera moved by a pixel, its frame not told
DIR/comp_LAYER.exr a view layer alone while a compositor is on
"""
import math
import sys

import bpy

out = sys.argv[sys.argv.index("--") + 1]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 2
scene.cycles.use_adaptive_sampling = False
scene.cycles.use_denoising = False
scene.render.dither_intensity = 0
scene.render.resolution_x = 160
scene.render.resolution_y = 90
scene.render.resolution_percentage = 100

camera = bpy.data.objects.new("cam", bpy.data.cameras.new("cam"))
camera.data.type = "ORTHO"
camera.data.ortho_scale = 8.0
camera.location = (0, -12, 0.5)
camera.rotation_euler = (math.pi / 2, 0, 0)
scene.collection.objects.link(camera)
scene.camera = camera
sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
sun.data.energy = 3
sun.rotation_euler = (0.8, 0.3, 0)
scene.collection.objects.link(sun)
scene.world = bpy.data.worlds.new("world")
scene.world.color = (0.1, 0.15, 0.3)


def collection(name):
    made = bpy.data.collections.new(name)
    scene.collection.children.link(made)
    return made


def monkey(into, x, colour):
    bpy.ops.mesh.primitive_monkey_add(location=(x, 0, 0))
    made = bpy.context.object
    material = bpy.data.materials.new(into.name)
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colour
    made.data.materials.append(material)
    for old in list(made.users_collection):
        old.objects.unlink(made)
    into.objects.link(made)
    made.keyframe_insert("rotation_euler", frame=1)
    made.rotation_euler = (0, 0, 1.5)
    made.keyframe_insert("rotation_euler", frame=10)


beauty, chars = collection("beauty"), collection("chars")
monkey(beauty, -2, (0.8, 0.3, 0.1, 1))
monkey(chars, 2, (0.1, 0.6, 0.9, 1))

layers = [scene.view_layers[0], scene.view_layers.new("chars"), scene.view_layers.new("fx.dust")]
layers[0].name = "beauty"
layers[0].use_pass_z = True
layers[0].use_pass_cryptomatte_object = True
layers[1].use_pass_normal = True
layers[1].use_pass_cryptomatte_object = True
layers[1].use_pass_cryptomatte_material = True
layers[2].use_pass_ambient_occlusion = True
layers[1].layer_collection.children["beauty"].exclude = True
layers[2].layer_collection.children["chars"].exclude = True


def render(name, frame, wanted, kind="OPEN_EXR_MULTILAYER"):
    for layer in scene.view_layers:
        layer.use = wanted is None or layer.name == wanted
    settings = scene.render.image_settings
    settings.file_format = kind
    settings.color_depth = "16" if name.startswith("bare") else "32"
    settings.exr_codec = "ZIP"
    scene.frame_set(frame)
    scene.render.filepath = f"{out}/{name}.exr"
    bpy.ops.render.render(write_still=True)


render("all", 3, None)
for layer in ["beauty", "chars", "fx.dust"]:
    render(layer, 3, layer)
for layer in ["beauty", "chars"]:
    render("bare_" + layer, 3, layer, "OPEN_EXR")
render("late_chars", 4, "chars")
scene.render.use_stamp_frame = False
camera.location.x += 8.0 / 160
render("moved", 3, "chars")
camera.location.x -= 8.0 / 160
scene.use_nodes = True
for layer in ["beauty", "chars"]:
    render("comp_" + layer, 3, layer)
