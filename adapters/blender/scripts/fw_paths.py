"""Takes the files that a scene names absolutely from where this host has them.

`paths` are the pairs that the adapter was told: what is below `from` to the scene is below `to`
here. A file that is not below `to` is left as it is named, and is told as missing by whoever looks
afterwards. Relative names are never touched: they hold wherever the scene lies.
"""

import os

import bpy

import fw_files
import fw_wire


def on_host(paths, path):
    """Where this host has `path`, or None where no pair says anything about it."""
    best = None
    for pair in paths:
        start = pair["from"].rstrip("/")
        if path == start or path.startswith(start + "/"):
            if best is None or len(start) > len(best[0]):
                best = start, pair["to"].rstrip("/")
    if best is None or not path.startswith("/"):
        return None
    return best[1] + path[len(best[0]):] or "/"


def _there(reference, paths):
    """The path that a reference shall have here, or None where its own holds."""
    if isinstance(reference, fw_files.Beside) or not reference.stored or not reference.absolute:
        return None
    path = on_host(paths, reference.path())
    if path is None or not any(os.path.exists(one) for one in reference.files(path)):
        return None
    return path


def _move_libraries(paths):
    """Each moved library is read, and may name others: so one at a time, until none is left."""
    moved = set()
    while True:
        for reference in list(fw_files.libraries()):
            path = None if reference.path() in moved else _there(reference, paths)
            if path is not None and path not in moved:
                moved.add(path)
                reference.move(path)
                reference.holder.reload()
                break  # what was listed may be gone
        else:
            return


def apply(paths):
    if not paths:
        return
    _move_libraries(paths)
    # Moving is a change to what is gone through, so everything is found before anything is moved.
    found = [one for one in fw_files.references() if one.kind != "library"]
    for reference, path in [(one, _there(one, paths)) for one in found]:
        if path is None:
            continue
        try:
            reference.move(path)
        except (RuntimeError, TypeError, AttributeError) as error:
            # Its own name is left, so the file is told as missing.
            print("cannot take %s from %s: %s" % (reference.kind, path, error))
    # On both, because what Blender missed when it loaded it may have said on either.
    fw_wire.say("moved", stream=fw_wire.STDERR)
    fw_wire.say("moved")
