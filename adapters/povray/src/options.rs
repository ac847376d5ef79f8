//! POV-Ray's options, out of `.ini` files.
//!
//! A line is `Key=value`, some switches (`+W320 +H200`), a `[section]` or the name of another file.
//! `;` and `#` begin a comment. Keys are kept in lower case; the last of a kind counts. A switch is the
//! short form of a key, so both end up under the key.
//!
//! Refuses nothing: an option that this adapter has no use for is between the file and POV-Ray, which
//! reads the file as well.

use std::collections::BTreeMap;

/// Options as they were found, and what more they name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    given: BTreeMap<String, String>,
    /// `Library_Path`, which adds up.
    pub libraries: Vec<String>,
}

/// How many files deep a file may name another.
const DEPTH_MAX: u32 = 8;

/// Switches and what they are short for, those that others begin with behind them.
const SWITCHES: [(&str, &str); 25] = [
    ("kfi", "initial_frame"),
    ("kff", "final_frame"),
    ("ki", "initial_clock"),
    ("kf", "final_clock"),
    ("kc", "cyclic_animation"),
    ("k", "clock"),
    ("stp", "frame_step"),
    ("sf", "subset_start_frame"),
    ("ef", "subset_end_frame"),
    ("sc", "start_column"),
    ("ec", "end_column"),
    ("sr", "start_row"),
    ("er", "end_row"),
    ("bs", "render_block_size"),
    ("am", "sampling_method"),
    ("a", "antialias"),
    ("ua", "output_alpha"),
    ("uf", "field_render"),
    ("f", "output_file_type"),
    ("w", "width"),
    ("h", "height"),
    ("q", "quality"),
    ("l", "library_path"),
    ("i", "input_file_name"),
    ("j", "jitter"),
];

impl Options {
    /// Adds what a file says, which is named as POV-Ray wants it: `shot.ini`, or `shot.ini[low]` for
    /// one of its sections. `open` answers the text of a file.
    pub fn read(&mut self, name: &str, open: &mut dyn FnMut(&str) -> Option<String>) {
        self.read_to_depth(name, open, DEPTH_MAX);
    }

    fn read_to_depth(
        &mut self,
        name: &str,
        open: &mut dyn FnMut(&str) -> Option<String>,
        depth: u32,
    ) {
        let (name, section) = name.split_once('[').unwrap_or((name, ""));
        let section = section.trim_end_matches(']').trim();
        let Some(text) = open(name.trim()) else {
            return;
        };
        let mut counts = true;
        for line in text.lines() {
            let line = without_comment(line).trim();
            if let Some(name) = line.strip_prefix('[') {
                let name = name.split(']').next().unwrap_or_default().trim();
                counts = name.eq_ignore_ascii_case(section);
            } else if !counts || line.is_empty() {
            } else if line.starts_with(['+', '-']) {
                line.split_whitespace().for_each(|word| self.switch(word));
            } else {
                let (key, value) = line.split_once('=').unwrap_or(("include_ini", line));
                if !key.trim().eq_ignore_ascii_case("include_ini") {
                    self.set(key.trim(), value);
                } else if depth > 0 {
                    self.read_to_depth(unquoted(value), open, depth - 1);
                }
            }
        }
    }

    /// `+W320`, `-A`.
    fn switch(&mut self, word: &str) {
        let Some(name) = word.strip_prefix(['+', '-']) else {
            return;
        };
        let begins = |short: &str| {
            name.get(..short.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(short))
        };
        let Some((short, key)) = SWITCHES.iter().find(|(short, _)| begins(short)) else {
            return;
        };
        let value = &name[short.len()..];
        let is_number = value.parse::<f64>().is_ok();
        match *key {
            "library_path" | "input_file_name" => self.set(key, value),
            "output_file_type" => {
                self.set(key, value);
                // `+FN16`; in `Output_File_Type=N16` POV-Ray takes no notice of the number.
                let bits = value.trim_start_matches(|letter: char| !letter.is_ascii_digit());
                if !bits.is_empty() {
                    self.set("bits_per_color", bits);
                }
            }
            "antialias" | "cyclic_animation" | "output_alpha" | "jitter" | "field_render"
                if is_number || value.is_empty() =>
            {
                self.set(key, if word.starts_with('+') { "on" } else { "off" });
            }
            // What is no number belongs to a longer switch: `+WT4` is no width.
            _ if is_number => self.set(key, value),
            _ => {}
        }
    }

    /// Adds an option.
    pub fn set(&mut self, key: &str, value: &str) {
        let (key, value) = (key.to_ascii_lowercase(), unquoted(value));
        if key == "library_path" {
            self.libraries.push(value.to_owned());
        } else {
            self.given.insert(key, value.to_owned());
        }
    }

    /// What an option says.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<f64> {
        let number: f64 = self.text(key)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// A whole number.
    pub fn integer(&self, key: &str) -> Option<i32> {
        self.text(key)?.parse().ok()
    }

    /// Whether something is on.
    pub fn is_on(&self, key: &str) -> bool {
        let on = ["on", "true", "yes", "1"];
        self.text(key)
            .is_some_and(|said| on.iter().any(|word| said.eq_ignore_ascii_case(word)))
    }
}

/// A line up to its comment.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, letter) in line.char_indices() {
        match quote {
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter == ';' || letter == '#' => return &line[..at],
            Some(open) if open == letter => quote = None,
            _ => {}
        }
    }
    line
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}
