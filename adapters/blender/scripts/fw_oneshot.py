"""Prepares a plain render: Blender's own `-f` comes after this script."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fw_look
import fw_prepare
import fw_wire

EXIT_REFUSED = 91


def main():
    setup = fw_wire.setup()
    burst = setup["burst"]
    try:
        scene = fw_prepare.prepare(setup)
        look = fw_look.Look(scene)
        fw_look.set_layers(scene, look, burst["layer"])
        fw_look.set_size(scene, look, burst["reduced"])
        fw_look.set_tile(scene, look, burst["tile"])
        fw_prepare.check_build(scene)
        fw_prepare.set_format(scene, fw_prepare.picture_format(
            look.file_format, setup["output"], burst["extension"], burst["layer"]),
            setup["settings"])
    except fw_prepare.Refused as refused:
        fw_wire.say("refused", reason=refused.reason, why=str(refused))
        os._exit(EXIT_REFUSED)
    render = scene.render
    render.use_file_extension = True
    render.filepath = burst["pattern"]
    used = sum(1 for one in scene.view_layers if one.use)
    fw_wire.say("ready", scene=scene.name, layers=max(1, used), load_s=fw_wire.process_age_s())


main()
