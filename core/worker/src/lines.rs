//! Renderer output cut into lines.
//!
//! A line ends in `\n`, `\r` or `\r\n`: renderers redraw their progress with a bare `\r`. A line
//! longer than [`LINE_BYTES_MAX`] is cut into several; invalid UTF-8 is replaced. How the bytes
//! were chunked makes no difference.

/// Longest line given out; what is longer continues in the next.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 10;

/// Cuts one stream.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    /// A line whose end has not come; at most `LINE_BYTES_MAX` bytes between calls.
    partial: Vec<u8>,
    /// The last byte was `\r`: a `\n` now belongs to it.
    after_return: bool,
}

impl LineSplitter {
    /// Takes what was read and gives out the lines that it completes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(&first) = bytes.first() {
            if self.after_return {
                self.after_return = false;
                if first == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.partial.extend_from_slice(bytes);
                self.cut_overlong(&mut line);
                return;
            };
            self.after_return = bytes[end] == b'\r';
            if self.partial.is_empty() && end <= LINE_BYTES_MAX {
                line(text(&bytes[..end]));
            } else {
                self.partial.extend_from_slice(&bytes[..end]);
                self.cut_overlong(&mut line);
                line(text(&self.partial));
                self.partial.clear();
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// The stream has ended: what is left is a line, if there is anything.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(String)) {
        if !self.partial.is_empty() {
            line(text(&self.partial));
            self.partial.clear();
        }
    }

    /// Gives out pieces until what is left is a line of legal length.
    fn cut_overlong(&mut self, line: &mut impl FnMut(String)) {
        let mut start = 0;
        while self.partial.len() - start > LINE_BYTES_MAX {
            let end = start + char_floor(&self.partial[start..], LINE_BYTES_MAX);
            line(text(&self.partial[start..end]));
            start = end;
        }
        self.partial.drain(..start);
    }
}

/// The largest index up to `at` that does not lie within a character; `at` itself when there is
/// none near, as in bytes that are no UTF-8.
fn char_floor(bytes: &[u8], at: usize) -> usize {
    let starts_character = |index: usize| bytes[index] & 0xc0 != 0x80;
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|index| *index > 0 && starts_character(*index))
        .unwrap_or(at)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push(line));
        }
        splitter.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(split(&[b"a\nb\r\nc\rd"]), ["a", "b", "c", "d"]);
        assert_eq!(split(&[b"a\n\nb\n"]), ["a", "", "b"]);
        assert_eq!(split(&[b"a\r\n\r\nb"]), ["a", "", "b"]);
        assert_eq!(split(&[b"a\r\rb"]), ["a", "", "b"]);
        assert_eq!(split(&[b"a\r", b"\nb"]), ["a", "b"]);
        assert_eq!(split(&[b"", b"\r\n"]), [""]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(split(&[b"caf\xe9\n"]), ["caf\u{fffd}"]);
        assert_eq!(split(&[b"caf\xc3", b"\xa9\n"]), ["café"]);
    }

    #[test]
    fn overlong_line_is_cut_between_characters() {
        let long = "é".repeat(LINE_BYTES_MAX);
        let lines = split(&[long.as_bytes(), b"\nnext\n"]);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert_eq!(lines[..2].concat(), long);
        assert_eq!(lines[2], "next");
        let odd = format!("a{long}");
        assert_eq!(split(&[odd.as_bytes()]).concat(), odd);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn chunks_make_no_difference(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            long in 0..2_usize,
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
        ) {
            let mut whole = vec![b'x'; long * (LINE_BYTES_MAX + 7)];
            whole.extend(&bytes);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&chunks), split(&[&whole]));
        }
    }
}
