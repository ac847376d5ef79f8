//! The text of a scene: which files it names, and which effects it uses.
//!
//! This is no parser of the scene language: it takes comments and strings apart from words and looks at
//! what stands beside what. So it may see an effect that a `#if` leaves out, and it cannot see a
//! name that is put together while POV-Ray parses; of those it only knows that they are there.

use std::collections::BTreeSet;

/// A file that a scene names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// As the scene writes it.
    pub name: String,
    /// `include`, `image`, `font` or `data`.
    pub kind: &'static str,
    /// The type that stands before the name, `png`, or what POV-Ray tries behind it, `inc`.
    pub extension: String,
}

impl Named {
    /// What POV-Ray tries where there is no file of the name itself.
    pub fn extended(&self) -> impl Iterator<Item = String> + '_ {
        let ends: &[&str] = match (self.kind, self.extension.as_str()) {
            ("image", "") => &IMAGES,
            ("image", "jpeg") => &["jpg", "jpeg"],
            ("image", "tiff") => &["tif", "tiff"],
            (_, end) => &[end],
        };
        let ends: Vec<String> = ends.iter().map(|&end| end.to_owned()).collect();
        ends.into_iter().map(|end| format!("{}.{end}", self.name))
    }
}

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Files, in order, each once a place.
    pub files: Vec<Named>,
    /// Words of [`NOTED`].
    pub words: BTreeSet<&'static str>,
    /// It writes files while it is parsed.
    pub writes: bool,
    /// File names that are put together while it is parsed.
    pub computed: usize,
}

/// Words that decide whether tiles are exact.
const NOTED: [&str; 6] = [
    "area_light",
    "crand",
    "jitter",
    "photons",
    "radiosity",
    "subsurface",
];
/// Words after which an image's name comes.
const IMAGES: [&str; 14] = [
    "bmp", "exr", "gif", "hdr", "iff", "jpeg", "pgm", "png", "pot", "ppm", "sys", "tga", "tiff",
    "jpg",
];
/// Words behind whose `{` an image's name may come at once.
const MAPS: [&str; 5] = [
    "bump_map",
    "height_field",
    "image_map",
    "image_pattern",
    "material_map",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Mark(char),
}

/// Looks through a text.
pub fn look(text: &str) -> Seen {
    let mut seen = Seen::default();
    let none = Token::Mark(' ');
    let (mut last, mut before) = (none, none);
    let mut opened: Option<&str> = None;
    for token in Tokens(text) {
        if let (Some(name), Token::Word(how)) = (opened.take(), token) {
            match how {
                "read" => seen.file(name, "data", ""),
                "write" | "append" => seen.writes = true,
                _ => {}
            }
        }
        match (before, last, token) {
            (Token::Mark('#'), Token::Word("include"), Token::Text(name)) => {
                seen.file(name, "include", "inc");
            }
            (_, Token::Word(kind), Token::Text(name)) if IMAGES.contains(&kind) => {
                seen.file(name, "image", kind);
            }
            (Token::Word(map), Token::Mark('{'), Token::Text(name)) if MAPS.contains(&map) => {
                seen.file(name, "image", "");
            }
            (_, Token::Word("ttf"), Token::Text(name)) => seen.file(name, "font", "ttf"),
            (_, Token::Word("df3"), Token::Text(name)) => seen.file(name, "data", "df3"),
            (_, Token::Word("load_file"), Token::Text(name)) => seen.file(name, "data", ""),
            (Token::Word("fopen"), Token::Word(_), Token::Text(name)) => opened = Some(name),
            (Token::Mark('#'), Token::Word("include"), _)
            | (_, Token::Word("ttf" | "df3" | "load_file"), _)
            | (Token::Word("fopen"), Token::Word(_), _) => seen.computed += 1,
            (_, Token::Word(kind), Token::Word(_)) if IMAGES.contains(&kind) => seen.computed += 1,
            _ => {}
        }
        if let Token::Word(word) = token
            && let Some(noted) = NOTED.iter().find(|noted| **noted == word)
        {
            seen.words.insert(noted);
        }
        (before, last) = (last, token);
    }
    seen
}

impl Seen {
    fn file(&mut self, name: &str, kind: &'static str, extension: &str) {
        self.files.push(Named {
            name: name.replace("\\\\", "\\"),
            kind,
            extension: extension.to_owned(),
        });
    }
}

/// The tokens of a text; comments are none.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.0 = self.0.trim_start();
            if let Some(rest) = self.0.strip_prefix("//") {
                self.0 = rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(rest) = self.0.strip_prefix("/*") {
                self.0 = after_comment(rest);
            } else {
                break;
            }
        }
        let first = self.0.chars().next()?;
        let rest = &self.0[first.len_utf8()..];
        if first == '"' {
            let end = end_of_string(rest);
            self.0 = rest.get(end + 1..).unwrap_or_default();
            return Some(Token::Text(&rest[..end]));
        }
        let is_word = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        if is_word(first) {
            let end = self
                .0
                .find(|letter| !is_word(letter))
                .unwrap_or(self.0.len());
            let (word, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(Token::Word(word));
        }
        self.0 = rest;
        Some(Token::Mark(first))
    }
}

/// What comes behind a `/* comment */`; comments lie within comments.
fn after_comment(text: &str) -> &str {
    let mut depth = 1;
    let mut rest = text;
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else {
            return "";
        };
        let (step, length) = match rest.get(at..at + 2) {
            Some("*/") => (-1, 2),
            Some("/*") => (1, 2),
            _ => (0, 1),
        };
        depth += step;
        rest = &rest[at + length..];
    }
    rest
}

/// Where a string ends; `\"` is part of it.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
