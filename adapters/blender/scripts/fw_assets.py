"""Which files a scene needs, and which of them are not there."""

import os

import bpy

import fw_files

# Without these a picture is wrong; without a sound or a clip it is not.
SEEN_IN_PICTURES = {"library", "image", "cache", "volume", "font", "light", "geometry"}


def _size(path):
    """Bytes of a file, or of all files below a folder; None where there is neither."""
    try:
        size = os.stat(path).st_size
    except OSError:
        return None
    if not os.path.isdir(path):
        return size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:
                pass  # gone again: whoever reads the folder will see
    return total


def assets():
    """Every file that the scene names, each once: dicts with path, kind, bytes, missing, absolute."""
    found = {}
    for reference in fw_files.references():
        for path in reference.files():
            one = found.get(path)
            if one is None:
                size = _size(path)
                one = found[path] = {"path": path, "kind": reference.kind, "bytes": size or 0,
                                     "missing": size is None, "absolute": False}
            # Some may name it one way, some the other.
            one["absolute"] = one["absolute"] or reference.absolute
    return list(found.values())


def missing_blocks():
    """Names of linked data-blocks whose library has no such block (any more)."""
    names = []
    for collection in (bpy.data.collections, bpy.data.objects, bpy.data.meshes,
                       bpy.data.materials, bpy.data.node_groups, bpy.data.worlds,
                       bpy.data.actions):
        names += [block.name for block in collection if getattr(block, "is_missing", False)]
    return names


def _seen(scene):
    """Kinds of files without which pictures of this scene are wrong."""
    kinds = set(SEEN_IN_PICTURES)
    if scene.render.use_sequencer and fw_files.strips(scene):
        kinds.add("strip")
    if scene.render.engine == "CYCLES" and getattr(scene.cycles, "shading_system", False):
        kinds.add("script")
    return kinds


def holes(scene):
    """Sentences about what a picture would lack; empty when the scene is whole."""
    seen, lacking = _seen(scene), {}
    for reference in fw_files.references():
        if reference.kind in seen:
            for path in reference.files():
                if path not in lacking and not os.path.exists(path):
                    lacking[path] = reference.kind
    told = ["%s %s is missing" % (kind, path) for path, kind in lacking.items()]
    if "library" not in lacking.values():
        told += ["linked data-block %s is missing from its library" % name
                 for name in missing_blocks()]
    return told
