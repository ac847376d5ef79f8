// One large picture, everywhere full of detail: for tiles. What is random in it is so by place.
#version 3.7;
global_settings { assumed_gamma 1 max_trace_level 3 }
camera { location <0, 1.4, -5> look_at <0, .3, 0> right x * image_width / image_height }
light_source { <4, 6, -5> rgb <1, .95, .9> }
sky_sphere { pigment { wrinkles color_map { [0 rgb <.9, .8, .7>] [1 rgb <.1, .2, .5>] } scale .2 } }
plane { y, -1
    pigment { granite color_map { [0 rgb <.2, .5, .7>] [1 rgb <.9, .8, .3>] } scale .5 }
    finish { reflection .2 }
}
#declare Place = seed(7);
#declare Count = 0;
#while (Count < 60)
    sphere { <8 * rand(Place) - 4, 3 * rand(Place) - 1, 6 * rand(Place) - 1>, .1 + .3 * rand(Place)
        pigment { rgb <rand(Place), rand(Place), rand(Place)> }
        finish { phong .8 reflection .15 }
    }
    #declare Count = Count + 1;
#end
