"""What a task may change in a scene: its view layers, its size, its border and its format.

Everything is set anew from how the scene itself looked, so no task sees what an earlier one left.
"""

import fw_prepare


class Look:
    """What the scene itself says about everything that a task may change."""

    def __init__(self, scene):
        render = scene.render
        self.file_format = render.image_settings.file_format
        self.size = (render.resolution_x, render.resolution_y, render.resolution_percentage)
        self.layers = {layer.name: layer.use for layer in scene.view_layers}
        self.compositing = render.use_compositing
        self.sequencer = render.use_sequencer
        self.border = (render.use_border, render.use_crop_to_border,
                       render.border_min_x, render.border_max_x,
                       render.border_min_y, render.border_max_y)


def assign(thing, name, value):
    """Assigns only what differs: an assignment alone may throw caches away."""
    if getattr(thing, name) != value:
        setattr(thing, name, value)


def set_layers(scene, look, layer):
    if layer and layer not in look.layers:
        raise fw_prepare.Refused("scene %s has no view layer named %s (it has: %s)"
                                 % (scene.name, layer, ", ".join(look.layers)))
    for one in scene.view_layers:
        assign(one, "use", one.name == layer if layer else look.layers[one.name])
    # A compositor or sequencer that does not read this layer would put black in its place.
    assign(scene.render, "use_compositing", look.compositing and not layer)
    assign(scene.render, "use_sequencer", look.sequencer and not layer)


def set_size(scene, look, reduced):
    """Takes one in so many of the picture's width and height, rounded up."""
    x, y, percentage = look.size
    if reduced > 1:
        x, y = (-(-max(1, one * percentage // 100) // reduced) for one in (x, y))
        percentage = 100
    for name, value in zip(("resolution_x", "resolution_y", "resolution_percentage"),
                           (x, y, percentage)):
        assign(scene.render, name, value)
        if getattr(scene.render, name) != value:
            raise fw_prepare.Refused("Blender has no picture of %dx%d pixels" % (x, y))


def edge(pixel, size):
    """A border value that Blender truncates to `pixel`: borders are 32-bit floats."""
    return min((pixel + 0.5) / size, 1.0)


def set_tile(scene, look, tile):
    render = scene.render
    if tile is None:
        border = look.border
    else:
        if look.border[0]:
            raise fw_prepare.Refused("scene %s renders a border region, which cannot be tiled"
                                     % scene.name)
        width = render.resolution_x * render.resolution_percentage // 100
        height = render.resolution_y * render.resolution_percentage // 100
        left, top = tile["x"], tile["y"]
        right, bottom = left + tile["width"], top + tile["height"]
        if right > width or bottom > height:
            raise fw_prepare.Refused("tile %dx%d+%d+%d lies outside the %dx%d frame"
                                     % (tile["width"], tile["height"], left, top, width, height))
        border = (True, True,
                  edge(left, width) if left else 0.0, edge(right, width),
                  edge(height - bottom, height) if bottom < height else 0.0,
                  edge(height - top, height))
    names = ("use_border", "use_crop_to_border",
             "border_min_x", "border_max_x", "border_min_y", "border_max_y")
    for name, value in zip(names, border):
        # Minimum and maximum push each other, so the maxima are opened first.
        if name in ("border_max_x", "border_max_y"):
            continue
        if name == "border_min_x":
            render.border_min_x, render.border_min_y = 0.0, 0.0
            render.border_max_x, render.border_max_y = border[3], border[5]
        setattr(render, name, value)
