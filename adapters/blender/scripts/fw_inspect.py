"""Says what is in a scene: one message of facts, then one a layer, asset and warning, then `end`."""

import os
import struct
import sys

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fw_assets
import fw_prepare
import fw_simulation
import fw_wire

# More than this many of a kind are counted, not told one by one.
ASSETS_MAX = 50000
WARNINGS_MAX = 100

# Compositor nodes that make each pixel from that pixel alone.
POINTWISE = {
    "NodeReroute", "NodeGroupInput", "NodeGroupOutput", "NodeFrame", "CompositorNodeGroup",
    "CompositorNodeRLayers", "CompositorNodeComposite", "CompositorNodeViewer",
    "CompositorNodeBrightContrast", "CompositorNodeGamma", "CompositorNodeExposure",
    "CompositorNodeCurveRGB", "CompositorNodeHueSat", "CompositorNodeMixRGB",
    "CompositorNodeMath", "CompositorNodeInvert", "CompositorNodeAlphaOver",
    "CompositorNodeSetAlpha", "CompositorNodeRGB", "CompositorNodeValue",
    "CompositorNodeValToRGB", "CompositorNodeColorBalance", "CompositorNodeRGBToBW",
    "CompositorNodeSepRGBA", "CompositorNodeCombRGBA", "CompositorNodeSeparateColor",
    "CompositorNodeCombineColor", "CompositorNodePremulKey", "CompositorNodeOutputFile",
}
# How far adaptive sampling looks; three pixels were the farthest ever seen.
ADAPTIVE_MARGIN = 8
# Compositors from here on were not tried.
BLUR_TRIED_BELOW = (4, 2)

# Switches that are named like passes.
NO_PASSES = {"use_pass_combined", "use_pass_cryptomatte_accurate"}


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def picture_size(render):
    """Width and height of the written picture, cropped to the border where the scene says so."""
    width = max(1, render.resolution_x * render.resolution_percentage // 100)
    height = max(1, render.resolution_y * render.resolution_percentage // 100)
    if not (render.use_border and render.use_crop_to_border):
        return width, height
    left, right = (int(f32(one * width)) for one in (render.border_min_x, render.border_max_x))
    low, high = (int(f32(one * height)) for one in (render.border_min_y, render.border_max_y))
    return max(1, right - left), max(1, high - low)


def channels(image):
    """What channels the written file has at least; empty where that cannot be told.

    Layers name the channels of multi-layer files, and versions of Blender do not agree on those
    of a grey EXR.
    """
    layered = image.file_format == "OPEN_EXR_MULTILAYER"
    if layered or (image.file_format == "OPEN_EXR" and image.color_mode == "BW"):
        return []
    return {"BW": ["Y"], "RGB": ["R", "G", "B"]}.get(image.color_mode, ["R", "G", "B", "A"])


def short(kind):
    """`CompositorNodeBlur` is Blur."""
    return kind[len("CompositorNode"):] if kind.startswith("CompositorNode") else kind


def blur_reach(node):
    """How many pixels around a pixel a blur reads; None where there is no bound."""
    size = node.inputs["Size"]
    bounded = node.filter_type != "FAST_GAUSS" and not node.use_relative \
        and not node.use_variable_size and not node.use_extended_bounds \
        and not size.is_linked and 0.0 <= size.default_value <= 1.0
    return max(node.size_x, node.size_y) if bounded else None


def reach(node, inner):
    """How many pixels around a pixel a node reads; None where there is no bound."""
    if node.bl_idname in POINTWISE:
        return 0
    # A group may be there several times, one behind the other.
    if inner or tuple(bpy.app.version[:2]) >= BLUR_TRIED_BELOW:
        return None
    if node.bl_idname == "CompositorNodeFilter":
        return 1
    return blur_reach(node) if node.bl_idname == "CompositorNodeBlur" else None


def composited(scene, settings):
    """(margin, why not) for what the compositor reads of a picture."""
    tree = fw_prepare.compositor_tree(scene)
    nodes = [node for node in fw_prepare.nodes_below(tree) if not node.mute]
    if settings.get("file_outputs") == "keep" \
            and any(node.bl_idname == "CompositorNodeOutputFile" for node in nodes):
        return 0, "File Output nodes would write a file for every tile"
    for node in nodes:
        if node.bl_idname == "CompositorNodeRLayers" and node.scene not in (None, scene):
            return 0, "the compositor renders scene %s too" % node.scene.name
    margin, endless = 0, set()
    for node in nodes:
        found = reach(node, node.id_data != tree)
        if found is None:
            endless.add(short(node.bl_idname))
        else:
            margin += found
    if endless:
        return 0, "the compositor reads neighbouring pixels: %s" % ", ".join(sorted(endless))
    return margin, ""


def tiling(scene, settings, wanted):
    """(exact, margin, why) for rendering a frame in tiles."""
    render = scene.render
    image = render.image_settings
    whole_numbers = (wanted or ("exr" if "EXR" in image.file_format else "png")) != "exr"
    if render.engine != "CYCLES":
        return False, 0, "%s shades edges of a tile differently" % render.engine
    if fw_prepare.views(scene) > 1:
        return False, 0, "the scene renders several views"
    if render.use_border:
        return False, 0, "the scene renders a border region"
    if fw_prepare.sequencer_strips(scene):
        return False, 0, "the sequencer changes the picture"
    if fw_prepare.denoises(scene):
        return False, 0, "denoising looks at the whole frame"
    if getattr(scene.cycles, "time_limit", 0.0) > 0.0:
        return False, 0, "a time limit stops sampling wherever it is"
    if render.use_freestyle:
        return False, 0, "Freestyle draws lines over the whole frame"
    if render.use_stamp:
        return False, 0, "burnt-in metadata would be drawn on every tile"
    margin, why = composited(scene, settings)
    if why:
        return False, 0, why
    if whole_numbers and render.dither_intensity > 0:
        return False, 0, "dithering starts anew at each tile's corner (set Dither to 0, or use exr)"
    if getattr(scene.cycles, "use_adaptive_sampling", False):
        margin += ADAPTIVE_MARGIN
    return True, margin, ""


def layer_split(scene):
    """(exact, why) for rendering view layers apart."""
    used = [layer for layer in scene.view_layers if layer.use]
    if fw_prepare.compositor_tree(scene) is not None:
        return False, "the compositor makes the picture from all layers"
    if fw_prepare.sequencer_strips(scene):
        return False, "the sequencer makes the picture"
    multi = scene.render.image_settings.file_format == "OPEN_EXR_MULTILAYER"
    if len(used) > 1 and not multi:
        return False, "the picture holds only the first view layer, %s" % used[0].name
    return True, ""


def passes(layer):
    """Names of the passes that a layer writes, `Combined` first."""
    names = ["Combined"] if getattr(layer, "use_pass_combined", True) else []
    for block in (layer, getattr(layer, "cycles", None), getattr(layer, "eevee", None)):
        if block is None:
            continue
        for prop in block.bl_rna.properties:
            name = prop.identifier
            if prop.type != "BOOLEAN" or not name.startswith("use_pass_") \
                    or name in NO_PASSES or not getattr(block, name):
                continue
            names.append(name[len("use_pass_"):])
    names += [aov.name for aov in getattr(layer, "aovs", ())]
    return names


def warnings(scene, settings, own_format):
    render = scene.render
    if scene.camera is None and not fw_prepare.sequencer_strips(scene):
        yield "scene %s has no camera" % scene.name
    if own_format in {"AVI_RAW", "AVI_JPEG", "FFMPEG"}:
        yield "the scene writes a movie (%s); pictures are written instead" % own_format
    elif own_format not in {"PNG", "OPEN_EXR", "OPEN_EXR_MULTILAYER"}:
        yield "the scene writes %s; png or exr is written instead" % own_format
    if getattr(bpy.app, "autoexec_fail", False):
        yield ("scripts in the scene were not run (%s); `--set scripts=true` runs them"
               % bpy.app.autoexec_fail_message)
    nodes = fw_prepare.file_output_nodes(scene)
    if nodes:
        what = "are kept" if settings.get("file_outputs") == "keep" else "are muted"
        yield ("the compositor writes files of its own (%s); they %s"
               % (", ".join(node.name for node in nodes), what))
    if fw_prepare.compositor_tree(scene) is not None:
        yield "the compositor makes the picture"
    if fw_prepare.sequencer_strips(scene):
        yield "the sequencer makes the picture"
    try:
        fw_prepare.check_build(scene)
    except fw_prepare.Lacking as lacking:
        yield str(lacking)
    if fw_prepare.views(scene) > 1:
        yield "the scene renders %d views" % fw_prepare.views(scene)
    if not render.use_overwrite:
        yield "the scene says not to overwrite files; framewright decides that by itself"
    for name in fw_simulation.unbaked(scene):
        yield "%s: simulated and not baked, so frames depend on the frames before" % name
    for name in fw_assets.missing_blocks()[:10]:
        yield "linked data-block %s is missing from its library" % name


def facts(scene, setup, own_format):
    settings, render = setup["settings"], scene.render
    width, height = picture_size(render)
    exact, margin, why = tiling(scene, settings, setup["output"])
    split, split_why = layer_split(scene)
    return {
        "scene": scene.name,
        "scenes": list(bpy.data.scenes.keys()),
        "first": scene.frame_start, "last": scene.frame_end, "step": scene.frame_step,
        "fps": render.fps / render.fps_base,
        "width": width, "height": height,
        "camera": scene.camera.name if scene.camera else None,
        "cameras": [thing.name for thing in scene.objects if thing.type == "CAMERA"][:100],
        "engine": render.engine,
        "undivided": bool(fw_simulation.unbaked(scene)),
        "tiles": {"exact": exact, "margin": margin, "why": why},
        "layer_split": {"exact": split, "why": split_why},
        "format": own_format,
        "channels": channels(render.image_settings),
        "depth": str(render.image_settings.color_depth),
    }


def main():
    load_s, memory = fw_wire.process_age_s(), fw_wire.memory_peak_bytes()
    setup = fw_wire.setup()
    # What is missing is told, not refused, and notes speak of the scene as it was saved.
    setup["settings"] = dict(setup["settings"], missing="warn")
    settings = setup["settings"]
    try:
        scene = fw_prepare.chosen_scene(settings)
        told = None
        own_format = scene.render.image_settings.file_format
        fw_prepare.apply_settings(scene, settings)
        told = list(warnings(scene, settings, own_format))
        if bpy.context.window is not None:
            bpy.context.window.scene = scene
        if setup["output"]:
            fw_prepare.set_format(
                scene, fw_prepare.picture_format(own_format, setup["output"], ""), settings)
    except fw_prepare.Refused as refused:
        fw_wire.say("refused", reason=refused.reason, why=str(refused))
        return
    fw_wire.say("scene", load_s=load_s, memory_bytes=memory, **facts(scene, setup, own_format))
    for layer in scene.view_layers:
        fw_wire.say("layer", name=layer.name, used=layer.use, passes=passes(layer))
    assets = fw_assets.assets()
    for one in assets[:ASSETS_MAX]:
        fw_wire.say("asset", **one)
    if len(assets) > ASSETS_MAX:
        told.append("%d more assets are not listed" % (len(assets) - ASSETS_MAX))
    for text in told[:WARNINGS_MAX]:
        fw_wire.say("warning", text=text)
    fw_wire.say("end")


main()
