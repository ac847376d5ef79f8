"""Brings a loaded scene into the state that every task starts from.

Applies the user's settings, and takes away what would make a farm render differ from a plain one
or write where it should not: overwrite guards, placeholders, side outputs.
"""

import bpy

import fw_assets
import fw_files
import fw_paths

PICTURE_FORMATS = {"png": "PNG", "exr": "OPEN_EXR"}


class Refused(Exception):
    """The scene cannot be rendered as asked."""

    reason = "scene"  # no host will ever do it


class Lacking(Refused):
    """This build of Blender cannot do it, another may."""

    reason = "build"


def chosen_scene(settings):
    name = settings.get("scene")
    if name is None:
        return bpy.context.scene
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise Refused("the file has no scene named %s (it has: %s)"
                      % (name, ", ".join(bpy.data.scenes.keys())))
    return scene


def _camera(scene, name):
    camera = scene.objects.get(name)
    if camera is None or camera.type != "CAMERA":
        have = [thing.name for thing in scene.objects if thing.type == "CAMERA"]
        raise Refused("scene %s has no camera named %s (it has: %s)"
                      % (scene.name, name, ", ".join(have) or "none"))
    scene.camera = camera
    for marker in scene.timeline_markers:
        # A camera bound to a marker would take over again at its frame.
        marker.camera = None


def _engine(render, name):
    try:
        render.engine = name
    except TypeError as error:
        raise Refused("render engine %s is not available in this Blender" % name) from error


def _samples(scene, count):
    engine = scene.render.engine
    if engine == "CYCLES":
        scene.cycles.samples = count
    elif hasattr(scene, "eevee") and engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = count


def apply_settings(scene, settings):
    render = scene.render
    if "engine" in settings:
        _engine(render, settings["engine"])
    if "camera" in settings:
        _camera(scene, settings["camera"])
    if "resolution_x" in settings:
        render.resolution_x = settings["resolution_x"]
    if "resolution_y" in settings:
        render.resolution_y = settings["resolution_y"]
    if "percentage" in settings:
        render.resolution_percentage = settings["percentage"]
    if "samples" in settings:
        _samples(scene, settings["samples"])
    if "denoise" in settings and hasattr(scene, "cycles"):
        scene.cycles.use_denoising = settings["denoise"]
    # Writing this property drops the cache even when the value stays the same.
    wanted = settings.get("persistent_data", render.use_persistent_data)
    if wanted != render.use_persistent_data:
        render.use_persistent_data = wanted


def picture_format(own, wanted, extension, layer=""):
    """The `file_format` for a task: what is asked for, else what the file's name says.

    A layer by itself is an EXR with all its passes, named as in Blender's multi-layer files; so
    those of several layers, put side by side, are the file that Blender writes of them all.
    """
    wanted = wanted or extension
    if wanted == "exr" and layer:
        return "OPEN_EXR_MULTILAYER"
    if wanted == "exr" and own in {"OPEN_EXR", "OPEN_EXR_MULTILAYER"}:
        return own
    if wanted in PICTURE_FORMATS:
        return PICTURE_FORMATS[wanted]
    raise Refused("pictures can be written as png or exr, not as %s" % (wanted or "nothing"))


def set_format(scene, file_format, settings):
    image = scene.render.image_settings
    if image.file_format != file_format:
        if hasattr(image, "media_type"):
            layered = file_format == "OPEN_EXR_MULTILAYER"
            image.media_type = "MULTI_LAYER_IMAGE" if layered else "IMAGE"
        image.file_format = file_format
    for key, name in (("color_mode", "color_mode"), ("color_depth", "color_depth"),
                      ("exr_codec", "exr_codec")):
        if key not in settings or (key == "exr_codec" and file_format == "PNG"):
            continue
        try:
            setattr(image, name, settings[key])
        except TypeError as error:
            raise Refused("%s cannot be %s in %s files"
                          % (key, settings[key], file_format)) from error


def compositor_tree(scene):
    """The compositor's nodes when a render runs them, else None."""
    if not scene.render.use_compositing:
        return None
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def nodes_below(tree, seen=None):
    """All nodes of a tree and of the groups in it, each tree once."""
    seen = set() if seen is None else seen
    if tree is None or tree.name_full in seen:
        return
    seen.add(tree.name_full)
    for node in tree.nodes:
        yield node
        if getattr(node, "node_tree", None) is not None:
            yield from nodes_below(node.node_tree, seen)


def file_output_nodes(scene):
    tree = compositor_tree(scene)
    return [node for node in nodes_below(tree)
            if node.bl_idname == "CompositorNodeOutputFile" and not node.mute]


def sequencer_strips(scene):
    return len(fw_files.strips(scene)) if scene.render.use_sequencer else 0


def has_denoiser():
    """Whether this build can denoise, or None where it does not tell."""
    try:
        import _cycles
        return bool(_cycles.with_openimagedenoise)
    except (ImportError, AttributeError):
        return None


def denoises(scene):
    """Whether Cycles denoises a layer that is rendered."""
    return scene.render.engine == "CYCLES" and scene.cycles.use_denoising \
        and any(layer.use and layer.cycles.use_denoising for layer in scene.view_layers)


def check_build(scene):
    """Refuses what this build would leave out, partly without a word."""
    if has_denoiser() is not False:
        return
    nodes = [node for node in nodes_below(compositor_tree(scene))
             if node.bl_idname == "CompositorNodeDenoise" and not node.mute]
    if nodes or denoises(scene):
        raise Lacking("the scene wants denoising, which this build of Blender cannot do")


def prepare(setup):
    """Chooses the scene, applies the settings, and refuses what cannot come out right."""
    settings = setup["settings"]
    fw_paths.apply(setup.get("paths", []))
    scene = chosen_scene(settings)
    window = bpy.context.window
    if window is not None and window.scene != scene:
        # Naming the scene in the render call instead would render it at the frame of the
        # scene that the window shows.
        window.scene = scene
    apply_settings(scene, settings)
    render = scene.render
    render.use_overwrite = True
    render.use_placeholder = False
    if settings.get("file_outputs", "mute") == "mute":
        for node in file_output_nodes(scene):
            node.mute = True
    if settings.get("missing", "fail") == "fail":
        told = fw_assets.holes(scene)
        if told:
            more = " and %d more" % (len(told) - 3) if len(told) > 3 else ""
            raise Refused("; ".join(told[:3]) + more)
    if views(scene) > 1 and render.image_settings.views_format != "STEREO_3D":
        raise Refused("scene %s writes %d views to files of their own, "
                      "which is not supported" % (scene.name, views(scene)))
    return scene


def views(scene):
    """How many pictures of different eyes a frame has."""
    if not scene.render.use_multiview:
        return 1
    return max(1, sum(1 for view in scene.render.views if view.use))
