"""Runs before the scene is loaded: says which Blender this is and looks at the file's first bytes.

A file of a newer Blender may crash this one while it loads, and a crash tells nobody why. So the
versions are compared here, where it can still be said in words. Runs with `-P` before the scene's
name on the command line, because Blender takes its arguments in order.
"""

import ctypes
import gzip
import os
import sys

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fw_wire

EXIT_REFUSED = 91

ZSTD = b"\x28\xb5\x2f\xfd"
# Enough for the first block of a frame at its largest.
PACKED_BYTES = 1 << 18


def first_bytes(path, count):
    with open(path, "rb") as file:
        head = file.read(count)
        if head[:4] == ZSTD:
            file.seek(0)
            return unpacked(file.read(PACKED_BYTES), count) or head
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path, "rb") as file:
            head = file.read(count)
    return head


class Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer, which have the same shape."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t)]


def unpacked(packed, count):
    """The first bytes of what was packed with zstd, or None where nothing here can unpack it.

    This Python has no zstd before 3.14, but a distribution's Blender brings the library with it.
    """
    try:
        zstd = ctypes.CDLL("libzstd.so.1")
        for name, result, arguments in (
                ("ZSTD_createDStream", ctypes.c_void_p, []),
                ("ZSTD_freeDStream", ctypes.c_size_t, [ctypes.c_void_p]),
                ("ZSTD_isError", ctypes.c_uint, [ctypes.c_size_t]),
                ("ZSTD_decompressStream", ctypes.c_size_t,
                 [ctypes.c_void_p, ctypes.POINTER(Buffer), ctypes.POINTER(Buffer)])):
            function = getattr(zstd, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    room = ctypes.create_string_buffer(count)
    source = ctypes.create_string_buffer(packed, len(packed))
    out = Buffer(ctypes.addressof(room), count, 0)
    into = Buffer(ctypes.addressof(source), len(packed), 0)
    stream = zstd.ZSTD_createDStream()
    try:
        while out.at < out.size:
            before = (out.at, into.at)
            left = zstd.ZSTD_decompressStream(stream, ctypes.byref(out), ctypes.byref(into))
            if zstd.ZSTD_isError(left) or (out.at, into.at) == before:
                return None
    finally:
        zstd.ZSTD_freeDStream(stream)
    return room.raw


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
    if head[:4] == ZSTD:
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
