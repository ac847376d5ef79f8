use std::path::{Path, PathBuf};

use super::*;
use crate::view::View;

/// A picture of one colour, but for a white line of a pixel every eight.
fn write(path: &Path, (width, height): (u32, u32), grey: u8) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..height)
        .flat_map(|_| (0..width).map(|x| if x % 8 == 0 { 255 } else { grey }))
        .flat_map(|value| [value; 3])
        .collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("a picture");
}

fn read(path: &Path) -> (usize, usize, Vec<[u8; 3]>) {
    let file = io::BufReader::new(std::fs::File::open(path).expect("a file"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut bytes).expect("a picture");
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    (width, height, bytes.as_chunks::<3>().0.to_vec())
}

fn shot(folder: &Path, count: i32, hole: Option<i32>) -> Vec<Cell> {
    (1..=count)
        .map(|frame| {
            let path = folder.join(format!("a.{frame:04}.png"));
            write(&path, (320, 180), frame as u8 * 10);
            Cell {
                frame,
                path: (hole != Some(frame)).then_some(path),
            }
        })
        .collect()
}

fn sheet<'a>(cells: &'a [Cell], view: &'a View) -> Sheet<'a> {
    Sheet {
        cells,
        columns: None,
        thumb_width: None,
        view,
        layer: None,
    }
}

fn made(sheet: &Sheet<'_>, out: &Path) -> Result<Made, SheetError> {
    let mut told = 0;
    let never = AtomicBool::new(false);
    let made = make(sheet, &Output::new(out), &never, &mut |done, _| told = done)?;
    assert_eq!(told, sheet.cells.len() as u64);
    Ok(made)
}

/// The light of a grey with an eighth of white in it, as an eight-bit code of sRGB: by the curve's
/// formula, not by our tables.
fn mean_in_light(grey: u8) -> f64 {
    let value = f64::from(grey) / 255.0;
    let light = if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    };
    let mean = light * 7.0 / 8.0 + 1.0 / 8.0;
    (1.055 * mean.powf(1.0 / 2.4) - 0.055) * 255.0
}

#[test]
fn thumbnails_stand_in_order_and_are_averages_of_light() {
    let folder = tempfile::tempdir().expect("a folder");
    let cells = shot(folder.path(), 12, Some(5));
    let out = folder.path().join("sheet.png");
    let view = View::default();
    let sheet = Sheet {
        thumb_width: Some(80),
        ..sheet(&cells, &view)
    };
    let made = made(&sheet, &out).expect("a sheet");
    assert_eq!((made.columns, made.rows), (4, 3));
    assert_eq!(made.holes, [5]);
    let (width, height, pixels) = read(&out);
    assert_eq!((width, height), (made.width, made.height));
    let shape = width as f64 / height as f64;
    assert!((1.4..2.2).contains(&shape), "{shape}");
    let grid = Grid::new(&sheet, (320, 180)).expect("a grid");
    let (across, down) = grid.pitch();
    for (at, cell) in cells.iter().enumerate() {
        let (left, top) = (grid.gap + at % 4 * across, grid.gap + at / 4 * down);
        let area = |x: usize, y: usize, wide: usize, high: usize| -> Vec<[u8; 3]> {
            let row = |y: usize| pixels[y * width + x..][..wide].to_vec();
            (y..y + high).flat_map(row).collect()
        };
        let thumb = area(left, top, 80, 45);
        if cell.path.is_some() {
            // Four pixels in one: two kinds, whose light is that of the picture.
            let light: f64 = thumb
                .iter()
                .map(|pixel| {
                    let value = f64::from(pixel[0]) / 255.0;
                    ((value + 0.055) / 1.055).powf(2.4)
                })
                .sum::<f64>()
                / thumb.len() as f64;
            let shown = (1.055 * light.powf(1.0 / 2.4) - 0.055) * 255.0;
            let wanted = mean_in_light(cell.frame as u8 * 10);
            assert!(
                (shown - wanted).abs() < 1.5,
                "frame {}: {shown} {wanted}",
                cell.frame
            );
        } else {
            let lit = thumb.iter().filter(|pixel| **pixel != cell::GROUND).count();
            assert_eq!(lit, 2 * 80 + 2 * 43, "a frame of one pixel around nothing");
        }
        let number = area(left, top + 45, 80, grid.number_height());
        let dots = number
            .iter()
            .filter(|pixel| **pixel != cell::GROUND)
            .count();
        let wanted: u32 = cell
            .frame
            .to_string()
            .chars()
            .flat_map(digits::rows)
            .map(u8::count_ones)
            .sum();
        assert_eq!(dots, wanted as usize, "the number {}", cell.frame);
    }
}

#[test]
fn sheets_are_about_as_wide_as_films() {
    let view = View::default();
    for (count, picture) in [
        (1, (1920, 1080)),
        (7, (1920, 1080)),
        (100, (1920, 1080)),
        (300, (2048, 858)),
        (1000, (1080, 1920)),
        (10_000, (1920, 1080)),
    ] {
        let cells: Vec<Cell> = (0..count)
            .map(|frame| Cell {
                frame,
                path: Some(PathBuf::new()),
            })
            .collect();
        let grid = Grid::new(&sheet(&cells, &view), picture).expect("a grid");
        assert!(grid.columns * grid.rows >= cells.len());
        assert!(grid.columns * (grid.rows - 1) < cells.len());
        let (width, height) = grid.size();
        let shape = width as f64 / height as f64;
        let room = if count < 10 { 1.0..3.2 } else { 1.5..2.1 };
        assert!(room.contains(&shape), "{count}: {width}x{height}");
        assert!(width <= 8000 && height <= 8000, "{count}: {width}x{height}");
    }
}

#[test]
fn sheets_that_cannot_be_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let cells = shot(folder.path(), 2, None);
    let view = View::default();
    let out = folder.path().join("sheet.png");
    let said = |sheet: Sheet<'_>| made(&sheet, &out).expect_err("no sheet").to_string();
    let sheet = |cells| sheet(cells, &view);
    let holes = [Cell {
        frame: 1,
        path: None,
    }];
    assert_eq!(said(sheet(&holes)), "there is no picture to put on a sheet");
    let many: Vec<Cell> = cells.iter().cycle().take(10_001).cloned().collect();
    assert_eq!(
        said(sheet(&many)),
        "10001 frames are more than a sheet has cells, 10000"
    );
    let hint = made(&sheet(&many), &out).expect_err("no sheet").hint();
    assert_eq!(
        hint.as_deref(),
        Some("choose frames with -f: every 2th will do")
    );
    let columns = Sheet {
        columns: Some(0),
        ..sheet(&cells)
    };
    assert_eq!(said(columns), "0 columns are not between 1 and 10000");
    let thin = Sheet {
        thumb_width: Some(8),
        ..sheet(&cells)
    };
    assert_eq!(
        said(thin),
        "thumbnails 8 pixels wide are not between 48 and 32767"
    );
    let wide = Sheet {
        columns: Some(2),
        thumb_width: Some(20_000),
        ..sheet(&cells)
    };
    assert!(said(wide).contains("more than 32767 a side"));
    std::fs::write(folder.path().join("a.0002.png"), b"none").expect("a file");
    assert!(said(sheet(&cells)).contains("a.0002.png is not a whole PNG"));
    assert!(!out.exists());
}

#[test]
fn pictures_of_other_shapes_lie_in_the_middle_of_their_cells() {
    let folder = tempfile::tempdir().expect("a folder");
    let cells = shot(folder.path(), 3, None);
    write(&folder.path().join("a.0002.png"), (90, 180), 128);
    write(&folder.path().join("a.0003.png"), (40, 10), 128);
    let view = View::default();
    let sheet = Sheet {
        columns: Some(3),
        thumb_width: Some(160),
        ..sheet(&cells, &view)
    };
    let out = folder.path().join("sheet.png");
    made(&sheet, &out).expect("a sheet");
    let (width, _, pixels) = read(&out);
    let grid = Grid::new(&sheet, (320, 180)).expect("a grid");
    let at = |column: usize, x: usize, y: usize| {
        pixels[(grid.gap + y) * width + grid.gap + column * grid.pitch().0 + x]
    };
    // 45 pixels across in the middle of 160; then a strip that is 40 high in the middle of 90.
    assert_eq!(
        (at(1, 56, 45), at(1, 103, 45)),
        (cell::GROUND, cell::GROUND)
    );
    assert_ne!(at(1, 80, 45), cell::GROUND);
    assert_eq!((at(2, 80, 24), at(2, 80, 66)), (cell::GROUND, cell::GROUND));
    assert_ne!(at(2, 80, 45), cell::GROUND);
}
