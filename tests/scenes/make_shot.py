"""Makes the shot that the end-to-end tests render.

    blender -b --factory-startup -P make_shot.py -- FOLDER [--library] [--sequence ELSEWHERE]

writes FOLDER/shot.blend (frames 1 to 10, a moving camera, two view layers, a driver),
FOLDER/textures/checker.png (an external texture), and with --library FOLDER/lib/prop.blend,
which shot.blend then links. With --sequence the floor shows one picture a frame of
ELSEWHERE/floor.####.png, which the scene names by their absolute paths. The same Blender writes the same scene each time.

Small on purpose: 160x90, 4 samples of Cycles, well under a second a frame; but textured and lit
so that every frame has thousands of colours and no two frames are equal.
"""

import math
import os
import sys

import bpy

FRAMES = 10


def texture(path):
    """A 64x64 picture whose every texel differs, written as PNG."""
    size = 64
    image = bpy.data.images.new("checker", size, size)
    pixels = []
    for y in range(size):
        for x in range(size):
            odd = (x // 8 + y // 8) % 2
            pixels += [x / (size - 1), y / (size - 1), 0.15 + 0.7 * odd, 1.0]
    image.pixels = pixels
    image.filepath_raw = path
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)


def material(name, path):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    picture = nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.load(path, check_existing=True)
    links.new(picture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def write_sequence(folder):
    """One picture a frame, no two alike."""
    os.makedirs(folder, exist_ok=True)
    size = 32
    image = bpy.data.images.new("floor", size, size)
    for frame in range(1, FRAMES + 1):
        pixels = []
        for y in range(size):
            for x in range(size):
                pixels += [x / (size - 1), frame / FRAMES, y / (size - 1), 1.0]
        image.pixels = pixels
        image.filepath_raw = os.path.join(folder, "floor.%04d.png" % frame)
        image.file_format = "PNG"
        image.save()
    bpy.data.images.remove(image)


def show_sequence(made):
    picture = next(node for node in made.node_tree.nodes if node.type == "TEX_IMAGE")
    picture.image.source = "SEQUENCE"
    picture.image_user.frame_start, picture.image_user.frame_duration = 1, FRAMES
    picture.image_user.use_auto_refresh = True
    return picture.image


def mesh(name, vertices, faces, made, collection, location):
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices, [], faces)
    uv = data.uv_layers.new(name="uv")
    for loop in data.loops:
        x, y, z = data.vertices[loop.vertex_index].co
        uv.data[loop.index].uv = (0.5 + x / 4 + z / 7, 0.5 + y / 4 - z / 5)
    if made is not None:
        data.materials.append(made)
    thing = bpy.data.objects.new(name, data)
    thing.location = location
    collection.objects.link(thing)
    return thing


CUBE = ([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)],
        [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
FLOOR = ([(-6, -6, 0), (6, -6, 0), (6, 6, 0), (-6, 6, 0)], [(0, 1, 2, 3)])


def empty_file():
    bpy.ops.wm.read_factory_settings(use_empty=True)


def write_library(folder, path):
    empty_file()
    collection = bpy.data.collections.new("Prop")
    bpy.context.scene.collection.children.link(collection)
    mesh("prop", *CUBE, material("prop", path), collection, (2.2, 1.2, 0.6)).scale = (0.5,) * 3
    os.makedirs(os.path.join(folder, "lib"), exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "lib", "prop.blend"),
                                relative_remap=True)


def link_library(scene, folder):
    path = os.path.join(folder, "lib", "prop.blend")
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.collections = ["Prop"]
    scene.collection.children.link(into.collections[0])


def keys(thing, name, values):
    for frame, value in values:
        setattr(thing, name, value)
        thing.keyframe_insert(name, frame=frame)


def camera(scene):
    data = bpy.data.cameras.new("Camera")
    thing = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(thing)
    scene.camera = thing
    keys(thing, "location", [(1, (6.0, -6.0, 4.0)), (FRAMES, (-2.0, -7.0, 5.0))])
    keys(thing, "rotation_euler", [(1, (1.1, 0.0, 0.785)), (FRAMES, (1.0, 0.0, -0.28))])


def lights(scene):
    data = bpy.data.lights.new("Key", "AREA")
    data.energy, data.size = 900.0, 3.0
    thing = bpy.data.objects.new("Key", data)
    thing.location, thing.rotation_euler = (4.0, -3.0, 6.0), (0.6, 0.5, 0.0)
    scene.collection.objects.link(thing)
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.12, 0.2, 0.35, 1.0)
    scene.world = world


def layers(scene, hero, set_dressing):
    """`beauty` renders all, `hero` only the spinning cube."""
    scene.view_layers[0].name = "beauty"
    scene.view_layers["beauty"].use_pass_z = True
    alone = scene.view_layers.new("hero")
    for child in alone.layer_collection.children:
        child.exclude = child.collection != hero
    assert set_dressing.name in alone.layer_collection.children


def render_settings(scene):
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 160, 90, 100
    render.fps, render.fps_base = 24, 1.0
    scene.cycles.samples = 4
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.frame_start, scene.frame_end = 1, FRAMES
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.filepath = "//frames/shot_####"


def write_shot(folder, path, with_library, elsewhere):
    empty_file()
    scene = bpy.context.scene
    scene.name = "Shot"
    hero = bpy.data.collections.new("Hero")
    dressing = bpy.data.collections.new("Set")
    for collection in (hero, dressing):
        scene.collection.children.link(collection)
    made = material("checker", path)
    cube = mesh("cube", *CUBE, made, hero, (0.0, 0.0, 1.3))
    floor, first = made, None
    if elsewhere:
        first = os.path.join(elsewhere, "floor.0001.png")
        floor = material("floor", first)
        sequence = show_sequence(floor)
    mesh("floor", *FLOOR, floor, dressing, (0.0, 0.0, 0.0))
    keys(cube, "rotation_euler",
         [(1, (0.0, 0.0, 0.0)), (FRAMES, (0.6, 0.3, math.pi))])
    driver = cube.driver_add("scale", 2).driver
    driver.expression = "1 + sin(frame / 3) * 0.3"
    camera(scene)
    lights(scene)
    if with_library:
        link_library(scene, folder)
    layers(scene, hero, dressing)
    render_settings(scene)
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "shot.blend"), relative_remap=True)
    if elsewhere:
        # The first save has made all paths relative.
        sequence.filepath = first
        bpy.context.preferences.filepaths.save_version = 0
        bpy.ops.wm.save_mainfile(relative_remap=False)


def main():
    words = sys.argv[sys.argv.index("--") + 1:]
    folder = os.path.abspath(words[0])
    with_library = "--library" in words[1:]
    elsewhere = None
    if "--sequence" in words:
        elsewhere = os.path.abspath(words[words.index("--sequence") + 1])
    path = os.path.join(folder, "textures", "checker.png")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    empty_file()
    texture(path)
    if with_library:
        write_library(folder, path)
    if elsewhere:
        write_sequence(elsewhere)
    write_shot(folder, path, with_library, elsewhere)


main()
