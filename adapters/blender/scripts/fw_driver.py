"""The session: renders tasks from standard input until it ends, the scene loaded once.

One JSON document a line comes in, each is answered by `begin` and `done`. `done` is said on both
streams, so that the adapter knows of every line that Blender printed before it on either.
What a task changes is set anew for each task, so no task sees what an earlier one left.
"""

import json
import os
import sys
import time

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fw_look
import fw_prepare
import fw_simulation
import fw_wire

# Characters that mean something to some Blender in an output path, and the longest path that
# fits its buffer. Other outputs are written below the scratch folder first.
PATH_SPECIAL = "#{}%"
PATH_BYTES_MAX = 1000


def set_frame(scene, frame):
    # Not frame_set(): it evaluates the viewport's graph too, which costs time and memory and
    # changes no pixel.
    if frame < 0:
        # Without this preference, a negative frame is taken for 0.
        bpy.context.preferences.edit.use_negative_frames = True
    scene.frame_current = frame
    if scene.frame_subframe != 0.0:
        scene.frame_float = float(frame)
    if scene.frame_current != frame:
        raise fw_prepare.Refused("Blender has no frame %d" % frame)


def safe_path(setup, task):
    path = task["output"]
    if len(path.encode("utf-8", "surrogateescape")) <= PATH_BYTES_MAX \
            and not any(one in path for one in PATH_SPECIAL):
        return path
    return os.path.join(setup["scratch"], "fw_task%d_try%d%s"
                        % (task["task"], task["attempt"], os.path.splitext(path)[1]))


def render_task(setup, scene, look, task):
    """Renders one task; the path of its picture."""
    settings = setup["settings"]
    render = scene.render
    fw_look.set_layers(scene, look, task.get("layer", ""))
    fw_look.set_size(scene, look, task.get("reduced", 1))
    fw_look.set_tile(scene, look, task.get("tile"))
    fw_prepare.check_build(scene)
    path = safe_path(setup, task)
    extension = os.path.splitext(path)[1][1:].lower()
    fw_prepare.set_format(
        scene, fw_prepare.picture_format(look.file_format, setup["output"], extension,
                                         task.get("layer", "")), settings)
    if os.path.lexists(path):
        os.unlink(path)  # what is there afterwards was written by this render
    fw_look.assign(render, "use_file_extension", False)
    render.filepath = path
    if render.filepath != path:
        raise RuntimeError("Blender did not take the output path %s" % path)
    set_frame(scene, task["frame"])
    bpy.ops.render.render(write_still=True)
    try:
        size = os.stat(path).st_size
    except OSError:
        raise RuntimeError("Blender wrote no file at %s" % path) from None
    if size == 0:
        raise RuntimeError("Blender left an empty file at %s" % path)
    return path


def done(task, **fields):
    fw_wire.say("done", stream=fw_wire.STDERR, task=task["task"])
    fw_wire.say("done", task=task["task"], **fields)


def serve(setup, scene, look):
    for line in iter(sys.stdin.readline, ""):
        task = json.loads(line)
        layer = task.get("layer", "")
        used = 1 if layer else max(1, sum(look.layers.values()))
        fw_wire.say("begin", task=task["task"], layers=used)
        began = time.monotonic()
        try:
            path = render_task(setup, scene, look, task)
        except fw_prepare.Refused as refused:
            done(task, ok=False, error=str(refused), blame=refused.reason)
        except Exception as error:  # whatever it is, the next task still has its chance
            done(task, ok=False, error=" ".join(str(error).split()) or type(error).__name__)
        else:
            done(task, ok=True, path=path, seconds=time.monotonic() - began)


def main():
    setup = fw_wire.setup()
    try:
        scene = fw_prepare.prepare(setup)
        fw_simulation.simulate_once(scene)
    except fw_prepare.Refused as refused:
        fw_wire.say("refused", reason=refused.reason, why=str(refused))
        return
    fw_wire.say("ready", scene=scene.name, load_s=fw_wire.process_age_s())
    serve(setup, scene, fw_look.Look(scene))


main()
