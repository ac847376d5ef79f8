"""Which files a scene needs, and which of them are not there."""

import os

import bpy

# Without these a picture is wrong; without a sound or a clip it is not.
SEEN_IN_PICTURES = ("library", "image", "cache", "volume", "font")


def _path(block):
    return os.path.normpath(bpy.path.abspath(block.filepath, library=block.library))


def _image_paths(image):
    path = _path(image)
    if image.source != "TILED":
        return [path]
    marks = [("<UDIM>", lambda n: str(n)),
             ("<UVTILE>", lambda n: "u%d_v%d" % ((n - 1001) % 10 + 1, (n - 1001) // 10 + 1))]
    for mark, name in marks:
        if mark in path:
            return [path.replace(mark, name(tile.number)) for tile in image.tiles]
    return [path]


def _images():
    for image in bpy.data.images:
        if image.source not in {"FILE", "SEQUENCE", "MOVIE", "TILED"} or not image.filepath:
            continue
        if image.users == 0 or image.packed_file or len(image.packed_files):
            continue
        for path in _image_paths(image):
            yield "image", path


def _plain_files():
    for library in bpy.data.libraries:
        if not getattr(library, "packed_file", None):
            yield "library", os.path.normpath(bpy.path.abspath(library.filepath))
    for name, kind in (("sounds", "sound"), ("movieclips", "clip"), ("fonts", "font"),
                       ("cache_files", "cache"), ("volumes", "volume")):
        for block in getattr(bpy.data, name, ()):
            if not block.filepath or block.filepath == "<builtin>" or block.users == 0:
                continue
            if getattr(block, "packed_file", None) or getattr(block, "is_sequence", False):
                continue
            yield kind, _path(block)


def _fluid_caches():
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            if modifier.type == "FLUID" and getattr(modifier, "fluid_type", "") == "DOMAIN":
                folder = modifier.domain_settings.cache_directory
                if folder:
                    yield "cache", os.path.normpath(bpy.path.abspath(folder, library=thing.library))


def assets():
    """Every file that the scene names, each once: dicts with path, kind, bytes, missing."""
    found = {}
    for source in (_plain_files, _images, _fluid_caches):
        for kind, path in source():
            if path in found:
                continue
            try:
                size, missing = os.stat(path).st_size, False
            except OSError:
                size, missing = 0, True
            found[path] = {"path": path, "kind": kind, "bytes": size, "missing": missing}
    return list(found.values())


def missing_blocks():
    """Names of linked data-blocks whose library has no such block (any more)."""
    names = []
    for collection in (bpy.data.collections, bpy.data.objects, bpy.data.meshes,
                       bpy.data.materials, bpy.data.node_groups, bpy.data.worlds,
                       bpy.data.actions):
        names += [block.name for block in collection if getattr(block, "is_missing", False)]
    return names


def holes():
    """Sentences about what a picture would lack; empty when the scene is whole."""
    lacking = [one for one in assets() if one["missing"] and one["kind"] in SEEN_IN_PICTURES]
    told = ["%s %s is missing" % (one["kind"], one["path"]) for one in lacking]
    if not any(one["kind"] == "library" for one in lacking):
        told += ["linked data-block %s is missing from its library" % name
                 for name in missing_blocks()]
    return told
