//! What `tiles` promises, tried with the real POV-Ray: what is said to be exact is, pixel for pixel, in
//! tiles of odd sizes; what is said not to be differs.

use serde_json::json;

use super::bench::{Act, Bench};
use super::real::{alone, has_povray, pixels};
use framewright_plugin_api::data::{Task, Tile, Verdict};

const WIDTH: u32 = 96;
const HEIGHT: u32 = 80;

/// A scene with something more in its settings, its light, its floor, and behind.
fn scene(settings: &str, light: &str, finish: &str, more: &str) -> String {
    format!(
        "#version 3.7;\nglobal_settings {{ assumed_gamma 1 {settings} }}\n\
         camera {{ location <0,1,-4> look_at 0 }}\n\
         light_source {{ <4,6,-5> rgb 1 {light} }}\n\
         plane {{ y,-1 pigment {{ checker rgb <.2,.5,.7> rgb <.9,.8,.3> }} finish {{ reflection .2 {finish} }} }}\n\
         sphere {{ 0,1 pigment {{ wrinkles color_map {{ [0 rgb x] [1 rgb z] }} }} finish {{ phong .8 }} }}\n{more}\n"
    )
}

/// How many pixels of a picture in four tiles differ from the picture in one go, and how many colours
/// that has.
fn differing(bench: &Bench, cut: (u32, u32)) -> (usize, usize) {
    alone(bench, &["a.ini", "+FN16", "+Oalone.png", "+WT1"]);
    let (width, _, pixel, whole) = pixels(&bench.path().join("alone.png"));
    let set = json!({"bits_per_color": "16"});
    let open = bench.open_render("a.ini", &set, (1, 1));
    let spans = |cut, end| [(0, cut), (cut, end - cut)];
    let tiles = spans(cut.1, HEIGHT)
        .into_iter()
        .flat_map(|(y, height)| {
            spans(cut.0, WIDTH).map(|(x, width)| Tile {
                x,
                y,
                width,
                height,
            })
        })
        .collect::<Vec<_>>();
    let whole_task = bench.tasks(&[1], "png").remove(0);
    let tasks = (1..).zip(&tiles).map(|(number, tile)| Task {
        task: number,
        tile: Some(*tile),
        ..whole_task.clone()
    });
    let ended = bench.session(open, tasks.collect(), |_| Act::Nothing);
    ended.all(Verdict::Succeeded, "");
    let mut differ = 0;
    for (number, tile) in (1..).zip(&tiles) {
        let part = pixels(&ended.wrote[&number]).3;
        for y in tile.y..tile.y + tile.height {
            for x in tile.x..tile.x + tile.width {
                let at = (y * width + x) as usize * pixel;
                differ += usize::from(part[at..at + pixel] != whole[at..at + pixel]);
            }
        }
    }
    let colours: std::collections::BTreeSet<&[u8]> = whole.chunks(pixel).collect();
    (differ, colours.len())
}

fn bench(ini: &str, text: &str) -> Bench {
    let bench = Bench::new();
    bench.file(
        "a.ini",
        format!("Input_File_Name=a.pov\nWidth={WIDTH}\nHeight={HEIGHT}\n{ini}"),
    );
    bench.file("a.pov", text);
    bench
}

#[test]
fn tiles_that_are_said_to_be_exact_are() {
    if !has_povray() {
        return;
    }
    let plain = || scene("", "", "", "");
    let rest = scene(
        "",
        "spotlight radius 30 falloff 40 point_at 0",
        "",
        "box { -3,3 pigment { rgbt 1 } hollow interior { media { scattering { 1, .1 } samples 6 } } }\n\
         fog { distance 8 rgb .6 turbulence .3 turb_depth .4 }",
    );
    for (ini, text) in [
        ("", plain()),
        ("+A0.1", plain()),
        ("+A0.1\nRender_Block_Size=16", plain()),
        ("+A0.1 +AM2", plain()),
        ("+A0.1 +AM2", rest),
    ] {
        let bench = bench(ini, &text);
        let tiles = bench.inspect("a.ini", &json!({})).tiles;
        assert!(tiles.exact, "{ini}");
        let cut = match tiles.align {
            1 => (37, 29),
            align => (align, 2 * align),
        };
        let (differ, colours) = differing(&bench, cut);
        assert_eq!(differ, 0, "{ini}: {text}");
        assert!(colours > 1000, "{colours} colours");
    }
}

/// If one of these were the same after all, tiles of it would be refused for nothing. Photons and area
/// lights are not among them: those differ with the number of threads, in a few pixels, and not each time.
#[test]
fn tiles_that_are_said_not_to_be_exact_are_not() {
    if !has_povray() {
        return;
    }
    for text in [
        scene("radiosity { count 20 }", "", "", ""),
        scene("", "", "crand .2", ""),
        scene("", "area_light x*2, y*2, 4, 4 jitter", "", ""),
    ] {
        let bench = bench("", &text);
        assert!(!bench.inspect("a.ini", &json!({})).tiles.exact, "{text}");
        assert!(differing(&bench, (37, 29)).0 > 0, "{text}");
    }
    // Aligned as is asked for it is exact, and only then.
    let bench = bench("+A0.1", &scene("", "", "", ""));
    assert_eq!(bench.inspect("a.ini", &json!({})).tiles.align, 32);
    assert!(differing(&bench, (37, 29)).0 > 0);
}
