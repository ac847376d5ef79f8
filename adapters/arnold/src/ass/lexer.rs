//! Words, strings and braces of a scene file.

use std::io;

use super::source::Source;

/// Bytes of a word or string that are kept; the rest is stepped over.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Header lines that are kept of a file, and bytes of each.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 1024;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// Anything without blanks.
    Word(String),
    /// What stands between quotes.
    Text(String),
    /// `{`
    Open,
    /// `}`
    Close,
    /// The end of the file, or of what may be read of it.
    End,
}

/// Cuts a file into tokens.
pub struct Lexer<'a> {
    source: Source<'a>,
    chunk: Vec<u8>,
    at: usize,
    line: u64,
    failure: Option<io::Error>,
    over: bool,
    back: Option<Token>,
    headers: Vec<(String, String)>,
}

impl<'a> Lexer<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Lexer {
            source,
            chunk: Vec::new(),
            at: 0,
            line: 1,
            failure: None,
            over: false,
            back: None,
            headers: Vec::new(),
        }
    }

    /// Where it is, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the budget ended before the file did.
    pub fn is_cut(&self) -> bool {
        self.source.cut
    }

    /// Why the bytes ended, where it was no end.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Header lines since they were last asked for.
    pub fn take_headers(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.headers)
    }

    /// Gives a token back; only the one that was taken last.
    pub fn give_back(&mut self, token: Token) {
        self.back = Some(token);
    }

    fn peek(&mut self) -> Option<u8> {
        if self.at == self.chunk.len() && !self.fill() {
            return None;
        }
        Some(self.chunk[self.at])
    }

    fn fill(&mut self) -> bool {
        if self.over {
            return false;
        }
        self.chunk.clear();
        self.at = 0;
        match self.source.next() {
            Ok(bytes) => self.chunk.extend_from_slice(bytes),
            Err(error) => self.failure = Some(error),
        }
        self.over = self.chunk.is_empty();
        !self.over
    }

    /// Steps over bytes up to the first that `stops`, keeping some of them. Whether one did.
    fn until(&mut self, kept: &mut Vec<u8>, most: usize, stops: impl Fn(u8) -> bool) -> bool {
        loop {
            if self.at == self.chunk.len() && !self.fill() {
                return false;
            }
            let rest = &self.chunk[self.at..];
            let stop = rest.iter().position(|&byte| stops(byte));
            let passed = &rest[..stop.unwrap_or(rest.len())];
            let room = most.saturating_sub(kept.len());
            kept.extend_from_slice(&passed[..passed.len().min(room)]);
            self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.at += passed.len();
            if stop.is_some() {
                return true;
            }
        }
    }

    /// Steps over one byte that is there.
    fn bump(&mut self) {
        self.line += u64::from(self.chunk[self.at] == b'\n');
        self.at += 1;
    }

    fn blanks(&mut self) {
        loop {
            self.until(&mut Vec::new(), 0, |byte| !is_blank(byte));
            if self.peek() != Some(b'#') {
                return;
            }
            let mut comment = Vec::new();
            self.until(&mut comment, HEADER_BYTES_MAX, |byte| byte == b'\n');
            self.header(&comment);
        }
    }

    fn header(&mut self, comment: &[u8]) {
        let text = String::from_utf8_lossy(comment);
        let line = text.strip_prefix("###");
        if self.headers.len() < HEADERS_MAX
            && let Some((key, value)) = line.and_then(|line| line.split_once(':'))
        {
            self.headers
                .push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }

    /// The next token.
    ///
    /// # Errors
    /// A string without an end.
    pub fn next(&mut self) -> Result<Token, String> {
        if let Some(token) = self.back.take() {
            return Ok(token);
        }
        self.blanks();
        match self.peek() {
            None => Ok(Token::End),
            Some(b'{') => {
                self.bump();
                Ok(Token::Open)
            }
            Some(b'}') => {
                self.bump();
                Ok(Token::Close)
            }
            Some(b'"') => self.text(),
            Some(_) => {
                let mut word = Vec::new();
                let ends = |byte| is_blank(byte) || matches!(byte, b'{' | b'}' | b'"');
                self.until(&mut word, TEXT_BYTES_MAX, ends);
                Ok(Token::Word(string(word)))
            }
        }
    }

    fn text(&mut self) -> Result<Token, String> {
        let begun = self.line;
        self.bump();
        let mut text = Vec::new();
        loop {
            if !self.until(&mut text, TEXT_BYTES_MAX, |byte| {
                matches!(byte, b'"' | b'\\')
            }) {
                return Err(format!("the string that begins in line {begun} has no end"));
            }
            let quote = self.peek() == Some(b'"');
            self.bump();
            if quote {
                return Ok(Token::Text(string(text)));
            }
            // Only a quote is hidden by a backslash: Windows' paths have them too.
            match self.peek() {
                Some(b'"') => self.keep(&mut text, b'"'),
                Some(b'\\') => {
                    self.keep(&mut text, b'\\');
                }
                _ if text.len() < TEXT_BYTES_MAX => text.push(b'\\'),
                _ => {}
            }
        }
    }

    fn keep(&mut self, text: &mut Vec<u8>, byte: u8) {
        self.bump();
        if text.len() < TEXT_BYTES_MAX {
            text.push(byte);
        }
    }

    /// Steps over a base85 array: the first line behind here that is not empty.
    pub fn skip_base85(&mut self) {
        self.until(&mut Vec::new(), 0, |byte| !is_blank(byte));
        // No base85 has these: the array is not there.
        if !matches!(self.peek(), Some(b'{' | b'}' | b'"' | b'#')) {
            self.until(&mut Vec::new(), 0, |byte| byte == b'\n');
        }
    }

    /// Steps over up to so many numbers without looking at them.
    pub fn skip_numbers(&mut self, count: u64) -> Result<(), String> {
        let mut left = count;
        if self.back.is_some() {
            match self.next()? {
                Token::Word(word) if is_number(word.as_bytes()) => left = left.saturating_sub(1),
                other => {
                    self.give_back(other);
                    return Ok(());
                }
            }
        }
        while left > 0 {
            self.blanks();
            match self.peek() {
                Some(byte) if begins_number(byte) => {
                    let ends = |byte| is_blank(byte) || matches!(byte, b'{' | b'}' | b'"');
                    self.until(&mut Vec::new(), 0, ends);
                }
                _ => return Ok(()),
            }
            left -= 1;
        }
        Ok(())
    }
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

fn begins_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.')
}

/// Whether a word goes on with the numbers before it, rather than being the next parameter's name.
pub fn is_number(word: &[u8]) -> bool {
    word.first().is_some_and(|&byte| begins_number(byte))
        || [b"nan".as_slice(), b"inf", b"infinity"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
}
