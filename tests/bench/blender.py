#!/usr/bin/env python3
"""Wall time of framewright against Blender alone, on one scene, in one run.

    tests/bench/blender.py [--rounds N] [--percentage P] [--scene FILE --frames A-B]

Three ways to render the same frames take turns: framewright with two slots, one Blender with -a,
and one Blender a frame. Medians and ratios are printed, and the frames of all three are compared.
By default the scene is the one of tests/scenes/make_shot.py, 10 frames, 160x90 at 100 %.
Wants a release build (FRAMEWRIGHT, else target/release/framewright), blender and oiiotool.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("FRAMEWRIGHT", str(TOP / "target/release/framewright"))
BLENDER = ["blender", "-b", "--factory-startup", "--disable-autoexec"]


def run(command, state):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=dict(os.environ, XDG_STATE_HOME=str(state)), errors="replace")
    if done.returncode != 0:
        sys.exit("%s ended with %d:\n%s%s" % (command[0], done.returncode, done.stdout,
                                              done.stderr))


def alone(scene, folder, state, first, last):
    larger = "import bpy; bpy.context.scene.render.resolution_percentage = %d" % OPTIONS.percentage
    run([*BLENDER, scene, "--python-expr", larger, "-o", folder / "f_####", "-F", "PNG", "-x", "1",
         "-s", first, "-e", last, "-a"], state)


def one_a_frame(scene, folder, state, first, last):
    for frame in range(first, last + 1):
        alone(scene, folder, state, frame, frame)


def framewright(scene, folder, state, first, last):
    run([PROGRAM, "render", scene, "-f", "%d-%d" % (first, last), "--local", "2",
         "--set", "percentage=%d" % OPTIONS.percentage, "-o", folder / "f_####.png"], state)


WAYS = [("framewright --local 2", framewright), ("one blender -a", alone),
        ("one blender a frame", one_a_frame)]


def equal(folders, first, last):
    for frame in range(first, last + 1):
        one, *others = [folder / ("f_%04d.png" % frame) for folder in folders]
        for other in others:
            done = subprocess.run(["oiiotool", "--diff", "--fail", "0", one, other],
                                  capture_output=True)
            if done.returncode != 0:
                return False
    return True


def measure(scene, first, last, rounds, place):
    times = {name: [] for name, _ in WAYS}
    for number in range(rounds):
        folders = []
        # Who goes first changes from round to round.
        for name, way in WAYS[number % 3:] + WAYS[:number % 3]:
            folder = place / ("%d-%d" % (number, len(folders)))
            folder.mkdir()
            began = time.monotonic()
            way(scene, folder, place / "state", first, last)
            times[name].append(time.monotonic() - began)
            folders.append(folder)
        if not equal(folders, first, last):
            sys.exit("the three do not render the same frames")
    return times


def main():
    with tempfile.TemporaryDirectory(prefix="fw-bench-") as place:
        place = pathlib.Path(place)
        if OPTIONS.scene:
            scene = OPTIONS.scene.resolve()
            first, last = (int(word) for word in OPTIONS.frames.split("-"))
        else:
            run([*BLENDER, "-P", TOP / "tests/scenes/make_shot.py", "--", place / "shot"],
                place / "state")
            scene, first, last = place / "shot" / "shot.blend", 1, 10
        load = os.getloadavg()[0]
        times = measure(scene, first, last, OPTIONS.rounds, place)
    base = statistics.median(times[WAYS[0][0]])
    print("%s at %d %%, frames %d-%d, %d rounds, %d cores, load average %.1f at the start\n" %
          (scene.name, OPTIONS.percentage, first, last, OPTIONS.rounds, os.cpu_count(), load))
    print("| way | seconds, median (all) | against framewright |\n|---|---|---|")
    for name, _ in WAYS:
        median = statistics.median(times[name])
        every = ", ".join("%.1f" % one for one in times[name])
        print("| %s | %.1f (%s) | %.2f |" % (name, median, every, median / base))


OPTIONS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
OPTIONS.add_argument("--rounds", type=int, default=3)
OPTIONS.add_argument("--percentage", type=int, default=100)
OPTIONS.add_argument("--scene", type=pathlib.Path)
OPTIONS.add_argument("--frames", default="1-10")
OPTIONS = OPTIONS.parse_args()
main()
