"""What is simulated and not baked: its frames depend on the frames before."""

import fw_prepare


def unbaked(scene):
    """Names of such simulations, for people; empty when frames stand by themselves."""
    found = []
    world = scene.rigidbody_world
    if world is not None and world.enabled and not world.point_cache.is_baked:
        found.append("rigid bodies")
    for thing in scene.objects:
        for modifier in thing.modifiers:
            if modifier.show_render and _is_unbaked(modifier):
                found.append("%s of %s" % (modifier.type.lower().replace("_", " "), thing.name))
    return found


def _is_unbaked(modifier):
    if modifier.type in {"CLOTH", "SOFT_BODY"}:
        return not modifier.point_cache.is_baked
    if modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
        return any(one.is_active and not one.point_cache.is_baked
                   for one in modifier.canvas_settings.canvas_surfaces)
    if modifier.type == "PARTICLE_SYSTEM":
        system = modifier.particle_system
        moves = system.settings.type == "EMITTER" or system.use_hair_dynamics
        return moves and system.settings.physics_type != "NO" and not system.point_cache.is_baked
    if modifier.type == "NODES":
        return any(node.bl_idname == "GeometryNodeSimulationOutput"
                   for node in fw_prepare.nodes_below(modifier.node_group))
    return False


def simulate_once(scene):
    """Makes the viewport simulate what the render does.

    A render call from Python evaluates the viewport's graph too, and both keep their simulation
    in one cache. Where the viewport shows fewer subdivisions, it would spoil what the render has
    simulated so far. `-a` on the command line never looks at the viewport.
    """
    if not unbaked(scene):
        return
    for thing in scene.objects:
        for modifier in thing.modifiers:
            if modifier.show_viewport != modifier.show_render:
                modifier.show_viewport = modifier.show_render
            if modifier.type in {"SUBSURF", "MULTIRES"} \
                    and modifier.levels != modifier.render_levels:
                modifier.levels = modifier.render_levels
