//! `.cube` files: three-dimensional tables, and one-dimensional ones.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Entries along an edge: what the format allows is 256.
const EDGE_MAX: usize = 256;
/// Entries of a curve: what the format allows.
const CURVE_MAX: usize = 65536;
/// A line of a table is three numbers.
const LINE_BYTES_MAX: usize = 4096;

/// A table from one colour to another.
#[derive(Clone, Debug)]
pub struct Cube {
    /// Entries along an edge, or of a curve.
    edge: usize,
    /// A curve for each channel instead of a lattice.
    is_curve: bool,
    low: [f32; 3],
    high: [f32; 3],
    /// Red goes fastest.
    entries: Vec<[f32; 3]>,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum CubeError {
    /// It cannot be read.
    #[error("cannot read the view {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not understood.
    #[error("the view {} is no whole .cube file: {why}", path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
}

impl Cube {
    /// Reads a `.cube` file.
    pub fn read(path: &Path) -> Result<Self, CubeError> {
        let failed = |source| CubeError::Read {
            path: path.to_owned(),
            source,
        };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        match Self::parse(file) {
            Ok(cube) => Ok(cube),
            Err(Trouble::Io(source)) => Err(failed(source)),
            Err(Trouble::Text(why)) => Err(CubeError::Broken {
                path: path.to_owned(),
                why,
            }),
        }
    }

    fn parse(mut file: impl BufRead) -> Result<Self, Trouble> {
        let mut cube = Self {
            edge: 0,
            is_curve: false,
            low: [0.0; 3],
            high: [1.0; 3],
            entries: Vec::new(),
        };
        let mut number = 0;
        while let Some(line) = line(&mut file)? {
            number += 1;
            cube.take(line.trim())
                .map_err(|why| Trouble::Text(format!("line {number}: {why}")))?;
        }
        let wanted = cube.wanted();
        if wanted == 0 {
            return Err(Trouble::Text("it has no LUT_3D_SIZE".to_owned()));
        }
        if cube.entries.len() != wanted {
            return Err(Trouble::Text(format!(
                "it has {} entries of {wanted}",
                cube.entries.len()
            )));
        }
        if (0..3).any(|channel| cube.low[channel] >= cube.high[channel]) {
            return Err(Trouble::Text("its domain is empty".to_owned()));
        }
        Ok(cube)
    }

    fn wanted(&self) -> usize {
        if self.is_curve {
            self.edge
        } else {
            self.edge * self.edge * self.edge
        }
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else {
            return Ok(());
        };
        match first {
            "TITLE" => {}
            _ if first.starts_with('#') => {}
            "LUT_3D_SIZE" | "LUT_1D_SIZE" => {
                if self.edge > 0 {
                    return Err("a second size".to_owned());
                }
                self.is_curve = first == "LUT_1D_SIZE";
                let most = if self.is_curve { CURVE_MAX } else { EDGE_MAX };
                let size = words.next().and_then(|word| word.parse().ok());
                self.edge = size
                    .filter(|size| (2..=most).contains(size))
                    .ok_or_else(|| format!("a size that is not 2 to {most}"))?;
            }
            "DOMAIN_MIN" => self.low = triple(line)?,
            "DOMAIN_MAX" => self.high = triple(line)?,
            "LUT_3D_INPUT_RANGE" | "LUT_1D_INPUT_RANGE" => {
                let range: Vec<f32> = words.filter_map(|word| word.parse().ok()).collect();
                let &[low, high] = &range[..] else {
                    return Err(format!("`{first}` without two numbers"));
                };
                (self.low, self.high) = ([low; 3], [high; 3]);
            }
            _ if first.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                return Err(format!("`{first}` is nothing known"));
            }
            _ => {
                if self.entries.len() >= self.wanted() {
                    return Err("more entries than its size says".to_owned());
                }
                let entry = triple(&format!("- {line}"))?;
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// The table's colour for one of the domain; what is outside is as its edge.
    pub(crate) fn look_up(&self, light: [f32; 3]) -> [f32; 3] {
        let last = self.edge - 1;
        let mut at = [0_usize; 3];
        let mut part = [0.0_f32; 3];
        for channel in 0..3 {
            let (low, high) = (self.low[channel], self.high[channel]);
            let place = (light[channel] - low) / (high - low) * last as f32;
            // NaN goes to the lower edge.
            let place = if place > 0.0 {
                place.min(last as f32)
            } else {
                0.0
            };
            at[channel] = (place as usize).min(last - 1);
            part[channel] = place - at[channel] as f32;
        }
        if self.is_curve {
            let value = |channel: usize| {
                let (low, high) = (self.entries[at[channel]], self.entries[at[channel] + 1]);
                low[channel] + (high[channel] - low[channel]) * part[channel]
            };
            return [value(0), value(1), value(2)];
        }
        let mut sum = [0.0; 3];
        for corner in 0..8_usize {
            let mut weight = 1.0;
            let mut index = 0;
            for channel in (0..3).rev() {
                let upper = corner >> channel & 1;
                weight *= if upper == 1 {
                    part[channel]
                } else {
                    1.0 - part[channel]
                };
                index = index * self.edge + at[channel] + upper;
            }
            for (sum, entry) in sum.iter_mut().zip(self.entries[index]) {
                *sum += weight * entry;
            }
        }
        sum
    }
}

/// Why a text is no table.
enum Trouble {
    Io(io::Error),
    Text(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The next line, of a bounded length.
fn line(file: &mut impl BufRead) -> Result<Option<String>, Trouble> {
    let mut bytes = Vec::new();
    let read = io::Read::take(&mut *file, LINE_BYTES_MAX as u64).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if read == LINE_BYTES_MAX {
        return Err(Trouble::Text("it has lines without end".to_owned()));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Three numbers after the first word.
fn triple(line: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = line
        .split_ascii_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .filter(|number: &f32| number.is_finite())
        .collect();
    let count = line.split_ascii_whitespace().count() - 1;
    match numbers[..] {
        [red, green, blue] if count == 3 => Ok([red, green, blue]),
        _ => Err("three numbers are wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Cube, String> {
        Cube::parse(text.as_bytes()).map_err(|trouble| match trouble {
            Trouble::Io(error) => error.to_string(),
            Trouble::Text(why) => why,
        })
    }

    /// A lattice of edge two that swaps red and blue.
    const SWAP: &str = "TITLE \"swap\"\n# a remark\nLUT_3D_SIZE 2\n\
        0 0 0\n0 0 1\n0 1 0\n0 1 1\n1 0 0\n1 0 1\n1 1 0\n1 1 1\n";

    #[test]
    fn red_goes_fastest() {
        let cube = parsed(SWAP).expect("a table");
        let [red, green, blue] = cube.look_up([0.25, 0.5, 0.75]);
        assert!((red - 0.75).abs() < 1e-6 && (green - 0.5).abs() < 1e-6);
        assert!((blue - 0.25).abs() < 1e-6);
        assert_eq!(cube.look_up([9.0, -1.0, f32::NAN]), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_domain_is_heeded() {
        let cube = parsed(&format!("DOMAIN_MIN 0 0 0\nDOMAIN_MAX 4 4 4\n{SWAP}")).expect("a table");
        assert_eq!(cube.look_up([4.0, 2.0, 0.0]), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn a_curve_is_a_table_too() {
        let cube = parsed("LUT_1D_SIZE 3\n0 0 0\n0.5 0.25 0\n1 1 1\n").expect("a table");
        assert_eq!(cube.look_up([0.5, 0.5, 1.0]), [0.5, 0.25, 1.0]);
    }

    #[test]
    fn broken_tables_are_said() {
        for (text, why) in [
            ("", "it has no LUT_3D_SIZE"),
            ("LUT_3D_SIZE 1\n", "line 1: a size that is not 2 to 256"),
            ("LUT_3D_SIZE 2\n0 0 0\n", "it has 1 entries of 8"),
            ("0 0 0\n", "line 1: more entries than its size says"),
            (
                "LUT_3D_SIZE 2\n0 zero 0\n",
                "line 2: three numbers are wanted",
            ),
            ("WHAT 3\n", "line 1: `WHAT` is nothing known"),
        ] {
            assert_eq!(parsed(text).expect_err(text), why);
        }
    }
}
