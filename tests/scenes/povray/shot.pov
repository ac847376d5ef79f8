#version 3.7;
#include "ball.inc"
global_settings { assumed_gamma 1 max_trace_level 4 }
camera { location <0, 1.4, -5> look_at <0, .3, 0> right x * image_width / image_height }
light_source { <4, 6, -5> rgb <1, .95, .9> }
sky_sphere { pigment { gradient y color_map { [0 rgb <.9, .8, .7>] [1 rgb <.1, .2, .5>] } } }
plane { y, -1
    pigment { checker rgb <.2, .5, .7> rgb <.9, .8, .3> }
    normal { ripples .1 scale .4 }
    finish { reflection .25 }
}
sphere { <2 * sin(clock), 0, 1.5 * cos(clock)>, 1 texture { Ball } }
// The number of the frame, as a height: a swapped frame is seen even where the clock comes round.
box { <-2.2, -1, 2>, <-1.9, -1 + .2 * frame_number, 2.3> pigment { granite } }
