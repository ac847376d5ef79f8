"""Every place in a loaded scene that names a file or a folder which a picture may need.

Who lists files and who moves them to where a host has them both go through `references`, so that
what is listed and what is moved cannot differ. Packed files name nothing: they are in the scene.
"""

import os
import re

import bpy

# The last digits of a name before its last dot are what counts frames.
COUNTER = re.compile(r"^(.*?)(\d+)(\D*)$")

UDIM_MARKS = (("<UDIM>", lambda n: str(n)),
              ("<UVTILE>", lambda n: "u%d_v%d" % ((n - 1001) % 10 + 1, (n - 1001) // 10 + 1)))

FONT_KEYS = ("font", "font_bold", "font_italic", "font_bold_italic")


class Reference:
    """One such place: `key` of `holder`, relative to where `library` is (or the scene)."""

    def __init__(self, kind, holder, key="filepath", library=None, files=None, move=None):
        self.kind = kind
        self.holder = holder
        self.key = key
        self.library = library
        self._files = files or (lambda path: [path])
        self._move = move or (lambda path: setattr(holder, key, path))

    @property
    def stored(self):
        return getattr(self.holder, self.key)

    @property
    def absolute(self):
        return not self.stored.startswith("//")

    def path(self):
        return os.path.normpath(bpy.path.abspath(self.stored, library=self.library))

    def files(self, path=None):
        """The files that are needed, were it at `path`; folders stand for all that is below."""
        return self._files(self.path() if path is None else path)

    def move(self, path):
        self._move(path)


class Beside:
    """A folder that Blender finds by the name of the file that holds its owner."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.absolute = False
        self._folder = folder

    def files(self):
        return [self._folder]


def sequence(path):
    """All files that differ from `path` only in the number; `path` itself where there are none."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    parts = COUNTER.match(stem)
    if parts is None:
        return [path]
    head, digits, tail = parts.groups()
    alike = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail + extension) + r"\Z")
    found = []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for one in names:
        number = alike.match(one)
        # As Blender writes them: padded to the width, or longer without padding.
        if number and "%0*d" % (len(digits), int(number.group(1))) == number.group(1):
            found.append(os.path.join(folder, one))
    return found or [path]


def _views(path):
    """The files of an image that has one for each eye: the one that is named, and those beside."""
    stem, extension = os.path.splitext(path)
    suffixes = sorted({view.file_suffix for scene in bpy.data.scenes
                       for view in scene.render.views if view.file_suffix})
    for suffix in suffixes:
        if stem.endswith(suffix):
            beside = [stem[:-len(suffix)] + other + extension for other in suffixes]
            return [path] + [one for one in beside if one != path and os.path.exists(one)]
    return [path]


def _image_files(image):
    def files(path):
        if image.source == "TILED":
            for mark, name in UDIM_MARKS:
                if mark in path:
                    return [path.replace(mark, name(tile.number)) for tile in image.tiles]
        named = sequence(path) if image.source == "SEQUENCE" else [path]
        if getattr(image, "use_multiview", False) and image.views_format == "INDIVIDUAL":
            named = [one for each in named for one in _views(each)]
        return named
    return files


def _images():
    for image in bpy.data.images:
        if image.source not in {"FILE", "SEQUENCE", "MOVIE", "TILED"} or not image.filepath:
            continue
        if image.users == 0 or image.packed_file or len(image.packed_files):
            continue
        yield Reference("image", image, library=image.library, files=_image_files(image))


def libraries():
    for library in bpy.data.libraries:
        if not getattr(library, "packed_file", None):
            # Blender keeps these relative to the scene, whichever library names them.
            yield Reference("library", library)


def _move_font(font, path):
    """The path of a font cannot be set: another takes its place."""
    other = bpy.data.fonts.load(path)
    font.user_remap(other)
    for curve in bpy.data.curves:  # those of libraries are not remapped
        for key in FONT_KEYS:
            if getattr(curve, key, None) == font:
                setattr(curve, key, other)
    for tree in bpy.data.node_groups:
        for node in tree.nodes:
            if getattr(node, "font", None) == font:
                node.font = other
    if not bpy.data.user_map(subset={font})[font]:
        bpy.data.fonts.remove(font)  # its count of users may say otherwise


def _counted(block):
    is_sequence = getattr(block, "is_sequence", False) \
        or getattr(block, "source", "") == "SEQUENCE"
    return sequence if is_sequence else None


def _data_blocks():
    for name, kind in (("sounds", "sound"), ("movieclips", "clip"), ("fonts", "font"),
                       ("cache_files", "cache"), ("volumes", "volume")):
        for block in getattr(bpy.data, name, ()):
            if not block.filepath or block.filepath == "<builtin>" or block.users == 0:
                continue
            if getattr(block, "packed_file", None):
                continue
            move = (lambda path, font=block: _move_font(font, path)) if kind == "font" else None
            yield Reference(kind, block, library=block.library, files=_counted(block), move=move)
            for layer in getattr(block, "layers", ()) if kind == "cache" else ():
                yield Reference(kind, layer, library=block.library, files=_counted(block))


def _modifiers():
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            kind = modifier.type
            if kind == "FLUID" and getattr(modifier, "fluid_type", "") == "DOMAIN":
                yield Reference("cache", modifier.domain_settings, "cache_directory",
                                library=thing.library)
            elif kind == "MESH_CACHE":
                yield Reference("cache", modifier, library=thing.library)
            elif kind == "OCEAN" and modifier.is_cached:
                yield Reference("cache", modifier, library=thing.library)
            elif kind == "MULTIRES" and getattr(modifier, "is_external", False):
                yield Reference("cache", modifier, library=thing.library)
            elif kind == "NODES":
                yield from _node_bakes(modifier, thing.library)


def _node_bakes(modifier, library):
    """What geometry nodes have baked to disk."""
    bakes = getattr(modifier, "bakes", ())
    on_disk = [bake for bake in bakes if getattr(bake, "bake_target", "DISK") != "PACKED"]
    if on_disk:
        yield from _if_there(Reference("cache", modifier, "bake_directory", library=library))
    for bake in on_disk:
        if bake.use_custom_path:
            yield from _if_there(Reference("cache", bake, "directory", library=library))


def _if_there(reference):
    """What may as well not have been written yet."""
    if reference.stored and os.path.isdir(reference.path()):
        yield reference


def _point_caches():
    """(cache, library of its owner) of everything that is simulated with one."""
    for scene in bpy.data.scenes:
        world = scene.rigidbody_world
        if world is not None and world.point_cache is not None:
            yield world.point_cache, scene.library
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            if modifier.type in {"CLOTH", "SOFT_BODY"}:
                yield modifier.point_cache, thing.library
            elif modifier.type == "PARTICLE_SYSTEM":
                yield modifier.particle_system.point_cache, thing.library
            elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
                for surface in modifier.canvas_settings.canvas_surfaces:
                    yield surface.point_cache, thing.library


def _disk_caches():
    for cache, library in _point_caches():
        library = library if cache.use_library_path else None
        if cache.use_external:
            yield Reference("cache", cache, library=library)
            continue
        owner = bpy.path.abspath(library.filepath) if library is not None else bpy.data.filepath
        if not cache.use_disk_cache or not owner:
            continue
        folder, name = os.path.split(owner)
        stem = name[:-6] if len(name) > 6 else name  # as Blender does, whatever the name ends with
        path = os.path.normpath(os.path.join(folder, "blendcache_" + stem))
        if cache.is_baked or os.path.isdir(path):
            yield Beside("cache", path)


def _trees():
    """Node trees that shade, each with the library that it is from."""
    for blocks in (bpy.data.materials, bpy.data.worlds, bpy.data.lights):
        for block in blocks:
            if block.node_tree is not None:
                yield block.node_tree, block.library
    for tree in bpy.data.node_groups:
        yield tree, tree.library


def _script_files(path):
    """A shader's source, and what it was compiled to where that is kept beside it."""
    compiled = os.path.splitext(path)[0] + ".oso"
    return [path, compiled] if compiled != path and os.path.isfile(compiled) else [path]


def _nodes():
    for tree, library in _trees():
        for node in tree.nodes:
            if node.bl_idname == "ShaderNodeScript" and node.mode == "EXTERNAL":
                yield Reference("script", node, library=library, files=_script_files)
            elif node.bl_idname == "ShaderNodeTexIES" and node.mode == "EXTERNAL":
                yield Reference("light", node, library=library)
            elif node.bl_idname.startswith("GeometryNodeImport"):
                socket = node.inputs.get("Path")
                if socket is not None and not socket.is_linked:
                    yield Reference("geometry", socket, "default_value", library=library)


def strips(scene):
    editor = scene.sequence_editor
    if editor is None:
        return []
    found = getattr(editor, "strips_all", None)
    return list(editor.sequences_all if found is None else found)


def _strips():
    for scene in bpy.data.scenes:
        for strip in strips(scene):
            if strip.mute:
                continue
            if strip.type == "IMAGE":
                names = [element.filename for element in strip.elements]
                yield Reference(
                    "strip", strip, "directory", library=scene.library,
                    files=lambda path, names=names: [os.path.join(path, one) for one in names])
            elif strip.type == "MOVIE":
                yield Reference("strip", strip, library=scene.library)


def references():
    """All of them; libraries first, because moving one brings in what it names."""
    for source in (libraries, _data_blocks, _images, _modifiers, _disk_caches, _nodes, _strips):
        for reference in source():
            if isinstance(reference, Beside) or reference.stored:
                yield reference
