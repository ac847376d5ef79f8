"""Runs before the scene is loaded: says which Blender this is and looks at the file's first bytes.

A file of a newer Blender may crash this one while it loads, and a crash tells nobody why. So the
versions are compared here, where it can still be said in words. Runs with `-P` before the scene's
name on the command line, because Blender takes its arguments in order.
"""

import gzip
import os
import sys

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fw_wire

EXIT_REFUSED = 91


def first_bytes(path, count):
    with open(path, "rb") as file:
        head = file.read(count)
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path, "rb") as file:
            head = file.read(count)
    return head


def file_version(head):
    """(major, minor) of the Blender that wrote the file, or None."""
    if head[:7] != b"BLENDER":
        return None
    try:
        if head[7:8] in b"-_":
            number = int(head[9:12])  # BLENDER-v304
        else:
            number = int(head[13:17])  # BLENDER17-01v0502
    except ValueError:
        return None
    return number // 100, number % 100


def kind(head):
    if head[:7] == b"BLENDER":
        return "blend"
    if head[:4] == b"\x28\xb5\x2f\xfd":
        return "zstd"
    return "unknown"


def memory_limit_bytes():
    """What this process may hold at most, or None where there is no limit or no way to know."""
    try:
        import resource
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return None if soft == resource.RLIM_INFINITY else soft
    except (ImportError, AttributeError, OSError):
        return None


def main():
    path = fw_wire.setup()["scene"]
    try:
        head = first_bytes(path, 17)
    except (OSError, EOFError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        fw_wire.say("refused", reason="unreadable", why=why)
        os._exit(EXIT_REFUSED)
    mine = tuple(bpy.app.version[:2])
    wrote = file_version(head)
    fw_wire.say(
        "preflight",
        blender=bpy.app.version_string,
        kind=kind(head),
        memory_limit_bytes=memory_limit_bytes(),
        written_by="%d.%d" % wrote if wrote else "",
    )
    if wrote and wrote[0] > mine[0]:
        fw_wire.say(
            "refused",
            reason="newer",
            why="the scene was saved by Blender %d.%d, this is %d.%d" % (wrote + mine),
        )
        os._exit(EXIT_REFUSED)


main()
