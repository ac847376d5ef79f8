"""Makes the small scenes in which Blender exits 0 without the picture, or fails otherwise.

    blender -b --factory-startup -P make_cases.py -- FOLDER

Each is saved from an empty file, 64x36 pixels, frames 1 to 6, with a cube that spins and a
camera; what is wrong with it is in its function below. FOLDER/plain.blend has nothing wrong.
"""

import os
import sys

import bpy

FRAMES = 6


def scene_basics(scene, engine="CYCLES"):
    render = scene.render
    render.engine = engine
    render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 36, 100
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.cycles.samples = 1
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.display.render_aa = "OFF"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"


def camera(scene, name="Camera", location=(4.0, -5.0, 3.0), rotation=(1.1, 0.0, 0.675)):
    thing = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    thing.location, thing.rotation_euler = location, rotation
    scene.collection.objects.link(thing)
    if scene.camera is None:
        scene.camera = thing
    return thing


def start(engine="BLENDER_WORKBENCH"):
    """An empty file with a spinning cube, a lamp and a camera; its scene and cube."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene_basics(scene, engine)
    data = bpy.data.meshes.new("cube")
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    data.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1),
                                   (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    cube = bpy.data.objects.new("cube", data)
    scene.collection.objects.link(cube)
    for frame, turn in ((1, 0.0), (FRAMES, 2.0)):
        cube.rotation_euler = (turn / 3, 0.0, turn)
        cube.keyframe_insert("rotation_euler", frame=frame)
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "SUN"))
    lamp.rotation_euler = (0.6, 0.4, 0.0)
    scene.collection.objects.link(lamp)
    camera(scene)
    return scene, cube


def compositor(scene):
    scene.use_nodes = True
    nodes, links = scene.node_tree.nodes, scene.node_tree.links
    nodes.clear()
    layers = nodes.new("CompositorNodeRLayers")
    out = nodes.new("CompositorNodeComposite")
    links.new(layers.outputs["Image"], out.inputs["Image"])
    return nodes, links, layers, out


def plain(folder):
    """Two scenes with different ranges, two layers, a camera switch, a simple driver."""
    scene, cube = start("CYCLES")
    scene.name = "Main"
    driver = cube.driver_add("location", 2).driver
    driver.expression = "sin(frame / 2) * 0.4"
    scene.view_layers[0].name = "first"
    scene.view_layers.new("second").samples = 2
    second = camera(scene, "Other", (-4.0, -5.0, 2.0), (1.2, 0.0, -0.675))
    for frame, thing in ((1, scene.camera), (4, second)):
        scene.timeline_markers.new("m%d" % frame, frame=frame).camera = thing
    other = bpy.data.scenes.new("Other")
    scene_basics(other, "CYCLES")
    other.collection.objects.link(cube)
    other.collection.objects.link(scene.objects["lamp"])
    other.collection.objects.link(second)
    other.camera = second
    other.frame_start, other.frame_end = 3, 4
    other.frame_set(5)


def no_camera(folder):
    scene, _ = start()
    bpy.data.objects.remove(scene.camera)


def missing_texture(folder):
    _, cube = start("CYCLES")
    material = bpy.data.materials.new("painted")
    material.use_nodes = True
    picture = material.node_tree.nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.new("gone", 4, 4)
    picture.image.source = "FILE"
    picture.image.filepath = "//textures/gone.png"
    material.node_tree.links.new(picture.outputs[0],
                                 material.node_tree.nodes["Principled BSDF"].inputs[0])
    cube.data.materials.append(material)


def missing_library(folder):
    _, cube = start()
    part = bpy.data.collections.new("Part")
    bpy.context.scene.collection.children.link(part)
    part.objects.link(cube)
    path = os.path.join(folder, "part.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    scene, _ = start()
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.collections = ["Part"]
    scene.collection.children.link(into.collections[0])


def refused_driver(folder):
    _, cube = start()
    driver = cube.driver_add("location", 0).driver
    driver.expression = "len(bpy.data.objects) * 0.1"


def registered(text):
    start()
    script = bpy.data.texts.new("auto.py")
    script.write(text)
    script.use_module = True


def script_raises(folder):
    registered('raise ValueError("boom")\n')


def handler_raises(folder):
    registered('import bpy\n\n\ndef stop(*_):\n    raise ValueError("boom")\n\n\n'
               'bpy.app.handlers.render_pre.append(stop)\n')


def denoise(folder):
    scene, _ = start("CYCLES")
    scene.cycles.use_denoising = True


def denoise_node(folder):
    scene, _ = start("CYCLES")
    nodes, links, layers, out = compositor(scene)
    node = nodes.new("CompositorNodeDenoise")
    links.new(layers.outputs["Image"], node.inputs["Image"])
    links.new(node.outputs["Image"], out.inputs["Image"])


def engine_missing(folder):
    class Gone(bpy.types.RenderEngine):
        bl_idname = "GONE_ENGINE"
        bl_label = "Gone"
    bpy.utils.register_class(Gone)
    scene, _ = start()
    scene.render.engine = "GONE_ENGINE"


def movie(folder):
    scene, _ = start()
    scene.render.image_settings.file_format = "FFMPEG"


def no_overwrite(folder):
    scene, _ = start()
    scene.render.use_overwrite = False
    scene.render.use_placeholder = True
    scene.render.use_file_extension = False


def file_output(folder):
    scene, _ = start("CYCLES")
    nodes, links, layers, _ = compositor(scene)
    node = nodes.new("CompositorNodeOutputFile")
    node.base_path = "//passes"
    links.new(layers.outputs["Image"], node.inputs[0])


def stereo(folder):
    scene, _ = start()
    scene.render.use_multiview = True
    scene.render.image_settings.views_format = "INDIVIDUAL"


def simulated(folder):
    """A cloth that falls and is not baked: each frame depends on the frames before."""
    scene, cube = start()
    cube.animation_data_clear()
    cube.modifiers.new("subdivided", "SUBSURF").subdivision_type = "SIMPLE"
    cube.modifiers.new("cloth", "CLOTH")


CASES = [plain, no_camera, missing_texture, missing_library, refused_driver, script_raises,
         handler_raises, denoise, denoise_node, engine_missing, movie, no_overwrite, file_output,
         stereo, simulated]


def main():
    folder = os.path.abspath(sys.argv[sys.argv.index("--") + 1])
    os.makedirs(folder, exist_ok=True)
    bpy.context.preferences.filepaths.save_version = 0
    for case in CASES:
        case(folder)
        path = os.path.join(folder, case.__name__ + ".blend")
        bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=True)
    os.remove(os.path.join(folder, "part.blend"))


main()
