//! Text from outside (file names, renderer output, notes) made harmless for a terminal.
//!
//! A file name may hold a line break or an escape sequence; a table or a sentence must not be
//! broken by it, nor the terminal be taken over.

use std::borrow::Cow;
use std::path::Path;

/// Control characters and those that turn the direction of writing are shown as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmful(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
    }
    Cow::Owned(shown)
}

/// A path as it stands in a sentence.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// A word of a command line that a shell reads as it is meant.
pub(crate) fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%#".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_escapes_are_shown_not_done() {
        assert_eq!(printable("a b'c"), "a b'c");
        assert_eq!(printable("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(printable("Größe 日本"), "Größe 日本");
    }

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        assert_eq!(for_shell("0198c0de"), "0198c0de");
        assert_eq!(for_shell("it's"), "'it'\\''s'");
        assert_eq!(for_shell("$(x)"), "'$(x)'");
    }
}
