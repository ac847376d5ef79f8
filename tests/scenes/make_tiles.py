"""Makes the scenes that tell which pictures may be put together from tiles.

    blender -b --factory-startup -P make_tiles.py -- FOLDER

Each is the same still of 200x112 pixels with thousands of colours, rendered by Cycles, and differs in
what its function below does to it.
"""

import os
import sys

import bpy


def textured(name, scale):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    noise, ramp = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeValToRGB")
    noise.inputs["Scale"].default_value = scale
    ramp.color_ramp.elements[0].color = (0.9, 0.2, 0.05, 1.0)
    ramp.color_ramp.elements[1].color = (0.05, 0.4, 0.9, 1.0)
    shader = tree.nodes["Principled BSDF"]
    tree.links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.3
    return material


def start():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 200, 112, 100
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_depth = "32"
    render.image_settings.color_mode = "RGBA"
    render.film_transparent = False
    scene.frame_start = scene.frame_end = 1
    scene.cycles.samples = 4
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    for place, scale in (((-1.6, 0.0, 0.2), 3.0), ((0.3, 0.8, 0.4), 7.0), ((1.9, -0.6, 0.0), 5.0)):
        bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=12, location=place)
        bpy.context.object.data.materials.append(textured("ball%g" % scale, scale))
    bpy.ops.mesh.primitive_plane_add(size=14, location=(0.0, 0.0, -1.0))
    bpy.context.object.data.materials.append(textured("floor", 11.0))
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "AREA"))
    lamp.data.energy, lamp.data.size = 900.0, 2.0
    lamp.location, lamp.rotation_euler = (3.0, -3.0, 5.0), (0.6, 0.4, 0.0)
    scene.collection.objects.link(lamp)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0.0, -7.0, 2.6), (1.2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.2, 0.25, 0.4, 1.0)
    scene.world = world
    return scene


def composited(scene, *kinds):
    """A chain of compositor nodes between picture and output; the nodes."""
    scene.use_nodes = True
    nodes, links = scene.node_tree.nodes, scene.node_tree.links
    nodes.clear()
    layers = nodes.new("CompositorNodeRLayers")
    out = nodes.new("CompositorNodeComposite")
    last, made = layers.outputs["Image"], []
    for kind in kinds:
        node = nodes.new(kind)
        into = [one for one in node.inputs if one.type == "RGBA" and one.enabled]
        links.new(last, into[0])
        last = node.outputs[0]
        made.append(node)
    links.new(last, out.inputs["Image"])
    return made


def blurred(scene, kind, size, *sizes):
    node, *others = composited(scene, *["CompositorNodeBlur"] * (1 + len(sizes)))
    for one, pixels in zip([node] + others, (size,) + sizes):
        one.filter_type = kind
        one.size_x = one.size_y = pixels
    return node


def plain(scene):
    pass


def half(scene):
    scene.render.image_settings.color_depth = "16"


def layered(scene):
    """All kinds of passes, in one file."""
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    layer = scene.view_layers[0]
    for name in ("z", "normal", "uv", "mist", "ambient_occlusion", "diffuse_direct", "glossy_color",
                 "cryptomatte_object", "cryptomatte_material"):
        setattr(layer, "use_pass_" + name, True)


def three(scene):
    """Three view layers with different things and passes, the second without a name that is one word."""
    layered(scene)
    scene.render.image_settings.color_depth = "16"
    scene.view_layers[0].name = "beauty"
    front = bpy.data.collections.new("front")
    scene.collection.children.link(front)
    for thing in [one for one in scene.objects if one.name.startswith("Sphere")][:2]:
        front.objects.link(thing)
        scene.collection.objects.unlink(thing)
    second, third = scene.view_layers.new("chars.far 2"), scene.view_layers.new("fx")
    second.use_pass_normal = second.use_pass_shadow = True
    second.layer_collection.children["front"].exclude = True
    third.layer_collection.children["front"].holdout = True
    third.use_pass_z = True
    unused = scene.view_layers.new("unused")
    unused.use = False


def three_single(scene):
    """The same for files of one layer."""
    three(scene)
    scene.render.image_settings.file_format = "OPEN_EXR"


def moving(scene):
    """Motion blur and depth of field."""
    ball = scene.objects["Sphere"]
    for frame, x in ((0, -2.0), (2, -1.0)):
        ball.location.x = x
        ball.keyframe_insert("location", frame=frame)
    scene.render.use_motion_blur = True
    scene.camera.data.dof.use_dof = True
    scene.camera.data.dof.focus_distance = 7.0
    scene.camera.data.dof.aperture_fstop = 0.4


def adaptive(scene):
    scene.cycles.samples = 96
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.04
    scene.cycles.adaptive_min_samples = 4


def colours(scene):
    bright, hue, curve, gamma = composited(
        scene, "CompositorNodeBrightContrast", "CompositorNodeHueSat", "CompositorNodeCurveRGB",
        "CompositorNodeGamma")
    bright.inputs["Bright"].default_value = 5.0
    bright.inputs["Contrast"].default_value = 12.0
    hue.inputs["Saturation"].default_value = 1.4
    curve.mapping.curves[3].points.new(0.4, 0.6)
    gamma.inputs["Gamma"].default_value = 1.3


def blur(scene):
    blurred(scene, "GAUSS", 12)


def blur_twice(scene):
    blurred(scene, "GAUSS", 5, 4)


def blur_flat(scene):
    blurred(scene, "FLAT", 6)


def blur_tent(scene):
    blurred(scene, "TENT", 6)


def blur_quad(scene):
    blurred(scene, "QUAD", 6)


def blur_cubic(scene):
    blurred(scene, "CUBIC", 6)


def blur_catrom(scene):
    blurred(scene, "CATROM", 6)


def blur_mitch(scene):
    blurred(scene, "MITCH", 6)


def blur_bokeh(scene):
    blurred(scene, "GAUSS", 7).use_bokeh = True


def blur_gamma(scene):
    blurred(scene, "GAUSS", 7).use_gamma_correction = True


def blur_part(scene):
    blurred(scene, "GAUSS", 9).inputs["Size"].default_value = 0.6


def blur_uneven(scene):
    node = blurred(scene, "GAUSS", 9)
    node.size_y = 3


def blur_adaptive(scene):
    adaptive(scene)
    blurred(scene, "GAUSS", 5)


def soften(scene):
    composited(scene, "CompositorNodeFilter")[0].filter_type = "SOFTEN"


def sobel(scene):
    composited(scene, "CompositorNodeFilter")[0].filter_type = "SOBEL"


def blur_fast(scene):
    blurred(scene, "FAST_GAUSS", 6)


def blur_relative(scene):
    node = blurred(scene, "GAUSS", 6)
    node.use_relative = True
    node.factor_x = node.factor_y = 3.0


def blur_grouped(scene):
    group = bpy.data.node_groups.new("soft", "CompositorNodeTree")
    if hasattr(group, "interface"):  # since 4.0
        for way in ("INPUT", "OUTPUT"):
            group.interface.new_socket("Image", in_out=way, socket_type="NodeSocketColor")
    else:
        group.inputs.new("NodeSocketColor", "Image")
        group.outputs.new("NodeSocketColor", "Image")
    into, out = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    node = group.nodes.new("CompositorNodeBlur")
    node.size_x = node.size_y = 6
    group.links.new(into.outputs[0], node.inputs["Image"])
    group.links.new(node.outputs[0], out.inputs[0])
    composited(scene, "CompositorNodeGamma")
    nodes, links = scene.node_tree.nodes, scene.node_tree.links
    holder = nodes.new("CompositorNodeGroup")
    holder.node_tree = group
    links.new(nodes["Render Layers"].outputs["Image"], holder.inputs[0])
    links.new(holder.outputs[0], nodes["Composite"].inputs["Image"])


def glare(scene):
    node, = composited(scene, "CompositorNodeGlare")
    node.glare_type, node.threshold, node.size = "FOG_GLOW", 0.3, 6


def cross(scene):
    """The picture is another scene's."""
    other = scene.copy()
    other.name = "Other"
    composited(scene)
    scene.node_tree.nodes["Render Layers"].scene = other


def file_output(scene):
    composited(scene)
    node = scene.node_tree.nodes.new("CompositorNodeOutputFile")
    node.base_path = "//side"
    scene.node_tree.links.new(scene.node_tree.nodes["Render Layers"].outputs["Image"],
                              node.inputs[0])


def dithered(scene):
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_depth = "8"


def undithered(scene):
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_depth = "8"
    scene.render.dither_intensity = 0.0


def undithered_deep(scene):
    undithered(scene)
    scene.render.image_settings.color_depth = "16"


def limited(scene):
    scene.cycles.time_limit = 1000.0


def denoised(scene):
    scene.cycles.use_denoising = True


def freestyle(scene):
    scene.render.use_freestyle = True


def stamped(scene):
    scene.render.use_stamp = True


def bordered(scene):
    render = scene.render
    render.use_border = True
    render.border_min_x, render.border_max_x = 0.25, 0.75
    render.border_min_y, render.border_max_y = 0.1, 0.9


def workbench(scene):
    scene.render.engine = "BLENDER_WORKBENCH"


def eevee(scene):
    scene.render.engine = "BLENDER_EEVEE"


def strips(scene):
    scene.sequence_editor_create().sequences.new_effect("white", "COLOR", 1, frame_start=1,
                                                        frame_end=10)


CASES = [plain, half, layered, three, three_single, moving, adaptive, colours, blur, blur_twice,
         blur_flat, blur_tent, blur_quad, blur_cubic, blur_catrom, blur_mitch, blur_bokeh,
         blur_gamma, blur_part, blur_uneven, blur_adaptive, soften, sobel, blur_fast, blur_relative,
         blur_grouped, glare, cross, file_output, dithered, undithered, undithered_deep, limited,
         denoised, freestyle, stamped, bordered, workbench, eevee, strips]


def main():
    folder = os.path.abspath(sys.argv[sys.argv.index("--") + 1])
    os.makedirs(folder, exist_ok=True)
    bpy.context.preferences.filepaths.save_version = 0
    for case in CASES:
        case(start())
        path = os.path.join(folder, case.__name__ + ".blend")
        bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=True)


main()
