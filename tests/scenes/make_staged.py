"""Makes scenes that need files of every kind, named relatively and absolutely.

    blender -b --factory-startup -P make_staged.py -- FOLDER FONT

FOLDER/shot/shot.blend, frames 1 to 3, shows each file's content in a plane (or shape) of its own;
FOLDER/shot/cut.blend makes its picture in the sequencer, FOLDER/shot/comp.blend in the compositor.
Whichever file is left out, at least one frame is another.
"""

import os
import shutil
import struct
import sys

import bpy

FRAMES = 3
SIZE = 8


def start(frames=FRAMES):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = 96, 64
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, frames
    scene.cycles.samples = 1
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    data = bpy.data.cameras.new("camera")
    data.type, data.ortho_scale = "ORTHO", 12.0
    camera = bpy.data.objects.new("camera", data)
    camera.location = (0.0, 0.0, 10.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return scene


def picture(path, number):
    """A small PNG of a colour and pattern of its own."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = bpy.data.images.new("made", SIZE, SIZE)
    colour = [(number * step % 17 + 1) / 18.0 for step in (3, 5, 7)]
    pixels = []
    for at in range(SIZE * SIZE):
        light = 1.0 if (at // (number % 5 + 1)) % 2 else 0.4
        pixels += [one * light for one in colour] + [1.0]
    image.pixels = pixels
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def glow(name, image=None, colour=(1.0, 1.0, 1.0, 1.0), frames=0):
    """A material that shines with an image, or with one colour."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    out, shine = (tree.nodes.new("ShaderNode" + one) for one in ("OutputMaterial", "Emission"))
    tree.links.new(shine.outputs[0], out.inputs[0])
    shine.inputs["Color"].default_value = colour
    if image is not None:
        texture = tree.nodes.new("ShaderNodeTexImage")
        texture.image, texture.interpolation = image, "Closest"
        if frames:
            user = texture.image_user
            user.frame_duration, user.frame_start, user.use_auto_refresh = frames, 1, True
        tree.links.new(texture.outputs[0], shine.inputs["Color"])
    return material


class Grid:
    """Places for planes in the picture, one after the other."""

    def __init__(self, scene):
        self.scene, self.used = scene, 0

    def place(self, thing):
        column, row = self.used % 6, self.used // 6
        self.used += 1
        thing.location = (-5.0 + 2.0 * column, 3.0 - 2.0 * row, 0.0)
        if thing.name not in self.scene.collection.objects:
            self.scene.collection.objects.link(thing)
        return thing

    def plane(self, name, material, wide=1.0):
        return self.place(plane(name, material, wide))


def plane(name, material, wide=1.0):
    mesh = bpy.data.meshes.new(name)
    corners = [(-0.9, -0.9, 0.0), (0.9, -0.9, 0.0), (0.9, 0.9, 0.0), (-0.9, 0.9, 0.0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="uv")
    for corner, uv in zip(layer.data, ((0, 0), (wide, 0), (wide, 1), (0, 1))):
        corner.uv = uv
    mesh.materials.append(material)
    return bpy.data.objects.new(name, mesh)


def load(path, relative_to=None):
    image = bpy.data.images.load(path)
    if relative_to:
        image.filepath = bpy.path.relpath(path, start=relative_to)
    return image


def save(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)


def libraries(folder, font):
    """outer.blend, which links inner.blend and, by its absolute path, deep.blend: each with files
    of its own."""
    start()
    deep = os.path.join(folder, "deep/deep.blend")
    bpy.context.scene.collection.objects.link(letters("deep", "Rg", font))
    save(deep)

    start()
    inner, outer = os.path.join(folder, "inner"), os.path.join(folder, "outer")
    own = load(picture(os.path.join(inner, "own.png"), 41), inner)
    far = load(picture(os.path.join(folder, "abs/far.png"), 42))
    bpy.context.scene.collection.objects.link(plane("inner_own", glow("inner_own", own)))
    bpy.context.scene.collection.objects.link(plane("inner_far", glow("inner_far", far)))
    save(os.path.join(inner, "inner.blend"))

    start()
    save(os.path.join(outer, "outer.blend"))
    with bpy.data.libraries.load(os.path.join(inner, "inner.blend"), link=True,
                                 relative=True) as (_, into):
        into.objects = ["inner_own", "inner_far"]
    with bpy.data.libraries.load(deep, link=True, relative=False) as (_, far):
        far.objects = ["deep"]
    for library in bpy.data.libraries:
        if os.path.basename(library.filepath) == "deep.blend":
            library.filepath = deep
    own = load(picture(os.path.join(outer, "own.png"), 43), outer)
    group = bpy.data.collections.new("group")
    thing = plane("outer_own", glow("outer_own", own))
    group.objects.link(thing)
    for linked, place in zip(into.objects + far.objects, (2.0, 4.0, 5.5)):
        holder = bpy.data.objects.new("holder_" + linked.name, linked.data)
        holder.location = (place, 0.0, 0.0)
        group.objects.link(holder)
    bpy.context.scene.collection.children.link(group)
    changed = plane("changed", glow("changed", own))
    bpy.context.scene.collection.objects.link(changed)
    bpy.ops.wm.save_mainfile()


def link_all(grid, folder):
    path = os.path.join(folder, "outer/outer.blend")
    with bpy.data.libraries.load(path, link=True, relative=False) as (_, into):
        into.collections, into.objects = ["group"], ["changed"]
    bpy.data.libraries[0].filepath = path
    instance = bpy.data.objects.new("instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", into.collections[0]
    grid.place(instance)
    grid.used += 3
    local = into.objects[0].override_create()
    grid.place(local)
    local.scale = (0.5, 1.0, 1.0)


def mesh_cache(grid, folder):
    """A plane that a file in the format of Lightwave's point caches moves."""
    path = os.path.join(folder, "abs/points.pc2")
    with open(path, "wb") as file:
        file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, 4, 1.0, 1.0, FRAMES))
        for frame in range(FRAMES):
            wide = 0.3 + 0.2 * frame
            for x, y in ((-wide, -wide), (wide, -wide), (wide, wide), (-wide, wide)):
                file.write(struct.pack("<3f", x, y, 0.0))
    thing = grid.plane("moved", glow("moved", colour=(0.2, 0.9, 0.4, 1.0)))
    modifier = thing.modifiers.new("cache", "MESH_CACHE")
    modifier.cache_format, modifier.filepath = "PC2", path
    modifier.frame_start = 1.0


def letters(name, body, font):
    curve = bpy.data.curves.new(name, "FONT")
    curve.body, curve.font, curve.size = body, bpy.data.fonts.load(font), 1.6
    curve.materials.append(glow(name, colour=(0.9, 0.8, 0.1, 1.0)))
    return bpy.data.objects.new(name, curve)


def text(grid, font):
    grid.place(letters("text", "Qg", font)).location.x -= 0.9


def lamp(grid, folder):
    """A lamp that shines as a file says, on a plane of its own."""
    path = os.path.join(folder, "abs/lamp.ies")
    with open(path, "w", encoding="ascii") as file:
        file.write("IESNA:LM-63-2002\nTILT=NONE\n1 1000 1 5 1 1 2 0 0 0\n1 1 10\n"
                   "0 10 20 45 90\n0\n2000 100 1500 900 0\n")
    material = bpy.data.materials.new("lit")
    material.use_nodes = True
    thing = grid.plane("lit", material)
    data = bpy.data.lights.new("lamp", "POINT")
    data.energy, data.use_nodes, data.shadow_soft_size = 300.0, True, 0.0
    nodes = data.node_tree.nodes
    shape = nodes.new("ShaderNodeTexIES")
    shape.mode, shape.filepath = "EXTERNAL", path
    data.node_tree.links.new(shape.outputs[0], nodes["Emission"].inputs["Strength"])
    light = bpy.data.objects.new("lamp", data)
    light.location = thing.location
    light.location.z = 2.0
    grid.scene.collection.objects.link(light)


def particles(grid):
    """Shapes that a simulation moves, baked to disk beside the scene."""
    shape = plane("shape", glow("shape", colour=(1.0, 0.1, 0.6, 1.0)))
    shape.location = (50.0, 0.0, 0.0)
    grid.scene.collection.objects.link(shape)
    source = grid.plane("source", glow("source", colour=(0.0, 0.0, 0.0, 1.0)))
    source.modifiers.new("particles", "PARTICLE_SYSTEM")
    system = source.particle_systems[0]
    settings = system.settings
    settings.count, settings.frame_start, settings.frame_end = 40, 1, FRAMES
    settings.lifetime, settings.normal_factor, settings.factor_random = 50, 2.0, 8.0
    settings.render_type, settings.instance_object = "OBJECT", shape
    settings.particle_size = 0.12
    system.point_cache.use_disk_cache = True
    system.point_cache.frame_start, system.point_cache.frame_end = 1, FRAMES


def smoke(grid, folder):
    """A domain with smoke in a folder of its own, and a volume that shows files of that folder."""
    flow = bpy.data.objects.new("flow", plane("flow", glow("flow")).data)
    source = grid.place(flow)
    source.hide_render = True
    mesh = bpy.data.meshes.new("domain")
    corners = [(x, y, z) for x in (-0.9, 0.9) for y in (-0.9, 0.9) for z in (-0.9, 0.9)]
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1),
                                   (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    domain = bpy.data.objects.new("domain", mesh)
    domain.location = source.location
    grid.scene.collection.objects.link(domain)
    modifier = source.modifiers.new("fluid", "FLUID")
    modifier.fluid_type = "FLOW"
    modifier.flow_settings.flow_type = "SMOKE"
    modifier.flow_settings.flow_behavior = "INFLOW"
    modifier.flow_settings.use_plane_init = True
    modifier = domain.modifiers.new("fluid", "FLUID")
    modifier.fluid_type = "DOMAIN"
    settings = modifier.domain_settings
    settings.domain_type, settings.resolution_max = "GAS", 8
    settings.cache_type = "ALL"
    settings.cache_frame_start, settings.cache_frame_end = 1, FRAMES
    settings.cache_directory = os.path.join(folder, "abs/smoke")
    mesh.materials.append(fog("smoke"))
    bpy.context.view_layer.objects.active = domain
    domain.select_set(True)
    bpy.ops.fluid.bake_all()
    copied = os.path.join(folder, "abs/fog")
    os.makedirs(copied)
    for frame in range(1, FRAMES + 1):
        shutil.copy(os.path.join(folder, "abs/smoke/data/fluid_data_%04d.vdb" % frame),
                    os.path.join(copied, "fog_%04d.vdb" % frame))
    volume = bpy.data.volumes.new("fog")
    volume.filepath = os.path.join(copied, "fog_0001.vdb")
    volume.is_sequence, volume.frame_start, volume.frame_duration = True, 1, FRAMES
    volume.materials.append(fog("fog"))
    shown = grid.place(bpy.data.objects.new("fog", volume))
    shown.scale = (0.2, 0.2, 0.2)


def fog(name):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    out = tree.nodes.new("ShaderNodeOutputMaterial")
    medium = tree.nodes.new("ShaderNodeVolumePrincipled")
    info = tree.nodes.new("ShaderNodeAttribute")
    info.attribute_name = "density"
    medium.inputs["Emission Color"].default_value = (0.3, 0.6, 1.0, 1.0)
    medium.inputs["Density"].default_value = 0.0
    tree.links.new(info.outputs["Fac"], medium.inputs["Emission Strength"])
    tree.links.new(medium.outputs[0], out.inputs["Volume"])
    return material


def shot(folder, font):
    font = shutil.copy(font, os.path.join(folder, "abs/face.ttf"))
    libraries(folder, font)
    scene = start()
    home = os.path.join(folder, "shot")
    path = os.path.join(home, "shot.blend")
    save(path)
    grid = Grid(scene)
    beside = load(picture(os.path.join(folder, "tex/beside.png"), 1), home)
    grid.plane("beside", glow("beside", beside))
    grid.plane("far", glow("far", load(picture(os.path.join(folder, "abs/far.png"), 2))))
    for name, where, relative_to in (("near", "tex/near", home), ("away", "abs/away", None)):
        for frame in range(1, FRAMES + 1):
            number = (10 if relative_to else 20) + frame
            picture(os.path.join(folder, "%s_%03d.png" % (where, frame)), number)
        image = load(os.path.join(folder, where + "_001.png"), relative_to)
        image.source = "SEQUENCE"
        grid.plane(name, glow(name, image, frames=FRAMES))
    for tile in (1001, 1002):
        picture(os.path.join(folder, "abs/tiles.%d.png" % tile), tile)
    tiles = load(os.path.join(folder, "abs/tiles.1001.png"))
    tiles.source = "TILED"
    tiles.tiles.new(1002)
    tiles.filepath = os.path.join(folder, "abs/tiles.<UDIM>.png")
    grid.plane("tiles", glow("tiles", tiles), wide=2.0)
    packed = load(picture(os.path.join(folder, "tex/packed.png"), 3))
    packed.pack()
    grid.plane("packed", glow("packed", packed))
    link_all(grid, folder)
    mesh_cache(grid, folder)
    text(grid, font)
    lamp(grid, folder)
    particles(grid)
    if bpy.app.build_options.fluid and bpy.app.build_options.openvdb:
        smoke(grid, folder)
    bpy.ops.wm.save_mainfile()
    bpy.ops.ptcache.bake_all(bake=True)
    scene.frame_set(1)
    bpy.ops.wm.save_mainfile()
    os.unlink(os.path.join(folder, "tex/packed.png"))


def cut(folder):
    scene = start()
    strips = scene.sequence_editor_create()
    strips = getattr(strips, "strips", None) or strips.sequences
    names = []
    for frame in range(1, FRAMES + 1):
        names.append(picture(os.path.join(folder, "abs/strip/%d.png" % frame), 50 + frame))
    strip = strips.new_image("strip", names[0], 1, 1)
    for name in names[1:]:
        strip.elements.append(os.path.basename(name))
    strip.frame_final_duration = FRAMES
    save(os.path.join(folder, "shot/cut.blend"))


def comp(folder):
    scene = start()
    for frame in range(1, FRAMES + 1):
        picture(os.path.join(folder, "abs/clip/c%04d.png" % frame), 60 + frame)
    clip = bpy.data.movieclips.load(os.path.join(folder, "abs/clip/c0001.png"))
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    source, out = (tree.nodes.new("CompositorNode" + one) for one in ("MovieClip", "Composite"))
    source.clip = clip
    size = tree.nodes.new("CompositorNodeScale")
    size.space = "RENDER_SIZE"
    tree.links.new(source.outputs[0], size.inputs[0])
    tree.links.new(size.outputs[0], out.inputs[0])
    save(os.path.join(folder, "shot/comp.blend"))


def main():
    folder, font = sys.argv[sys.argv.index("--") + 1:]
    for name in ("abs", "tex", "shot"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    shot(folder, font)
    cut(folder)
    comp(folder)


main()
