//! Strict reading of hand-written TOML: every key that is not understood is an error that names
//! its line and the key that was probably meant.
//!
//! A [`Table`] is emptied key by key; asking for a key also tells it that the key exists.
//! [`Table::end`] then refuses what is left. So the list of keys cannot drift from the code that
//! reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

/// Largest file that is read; such files are written by hand.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a hand-written file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read {file}: {why}")]
    Read {
        /// Which.
        file: String,
        /// The system's reason.
        why: String,
    },
    /// It is not TOML.
    #[error("{file}, line {line}: {what}")]
    Syntax {
        /// Which.
        file: String,
        /// Where.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// A key that nobody asks for.
    #[error("{file}, line {line}: `{key}` is not known here{}", guess(nearest.as_deref()))]
    UnknownKey {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// The key.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value that cannot be meant.
    #[error("{file}, line {line}: `{key}` {what}")]
    Value {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// Its key.
        key: String,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
}

fn guess(nearest: Option<&str>) -> String {
    nearest
        .map(|key| format!("; did you mean `{key}`?"))
        .unwrap_or_default()
}

/// A hand-written file: its name for messages, and its text.
pub struct Document {
    file: String,
    text: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// [`KeysError::Read`].
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let file = path.display().to_string();
        let read = || -> std::io::Result<String> {
            let length = std::fs::metadata(path)?.len();
            if length > FILE_BYTES_MAX {
                return Err(std::io::Error::other(format!(
                    "it has {length} bytes, which is too many to be written by hand"
                )));
            }
            std::fs::read_to_string(path)
        };
        match read() {
            Ok(text) => Ok(Self { file, text }),
            Err(error) => Err(KeysError::Read {
                file,
                why: error.to_string(),
            }),
        }
    }

    /// A text that is not in a file, e.g. in a test.
    #[must_use]
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// The table at the top.
    ///
    /// # Errors
    /// [`KeysError::Syntax`].
    pub fn table(&self) -> Result<Table<'_>, KeysError> {
        match DeTable::parse(&self.text) {
            Ok(table) => Ok(Table {
                document: self,
                entries: table.into_inner(),
                asked: Vec::new(),
                starts: 0,
            }),
            Err(error) => Err(KeysError::Syntax {
                file: self.file.clone(),
                line: error.span().map_or(1, |span| self.line_at(span.start)),
                what: error
                    .message()
                    .lines()
                    .next()
                    .unwrap_or("this is not TOML")
                    .to_owned(),
            }),
        }
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..offset)
            .unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// A table that is being read.
pub struct Table<'a> {
    document: &'a Document,
    entries: DeTable<'a>,
    asked: Vec<&'static str>,
    starts: usize,
}

/// A value with its place.
struct Found<'a> {
    key: &'static str,
    value: DeValue<'a>,
    starts: usize,
}

impl<'a> Table<'a> {
    fn take(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.asked.push(key);
        let value = self.entries.remove(key)?;
        let starts = value.span().start;
        Some(Found {
            key,
            value: value.into_inner(),
            starts,
        })
    }

    fn value_error(&self, found: &Found<'_>, what: String) -> KeysError {
        KeysError::Value {
            file: self.document.file.clone(),
            line: self.document.line_at(found.starts),
            key: found.key.to_owned(),
            what,
        }
    }

    fn wants(&self, found: &Found<'_>, wanted: &str) -> KeysError {
        self.value_error(
            found,
            format!("wants {wanted}, not {}", kind_of(&found.value)),
        )
    }

    /// An error about this table as a whole, placed where it starts.
    #[must_use]
    pub fn error(&self, key: &str, what: impl Into<String>) -> KeysError {
        KeysError::Value {
            file: self.document.file.clone(),
            line: self.document.line_at(self.starts),
            key: key.to_owned(),
            what: what.into(),
        }
    }

    /// A text, parsed by `parse`, whose error is the reason given.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let Some(text) = found.value.as_str() else {
            return Err(self.wants(&found, "a text in quotes"));
        };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.value_error(&found, format!("is wrong: {error}"))),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, KeysError> {
        self.parsed(key, |text| {
            Ok::<_, std::convert::Infallible>(text.to_owned())
        })
    }

    /// A text, or a whole number as its text: `frames = 12`, `segment = 0`.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn text_or_number(&mut self, key: &'static str) -> Result<Option<String>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        match &found.value {
            DeValue::String(text) => Ok(Some(text.to_string())),
            DeValue::Integer(number) => Ok(Some(number.to_string())),
            _ => Err(self.wants(&found, "a text in quotes or a whole number")),
        }
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn count(
        &mut self,
        key: &'static str,
        min: u32,
        max: u32,
    ) -> Result<Option<u32>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let number = found
            .value
            .as_integer()
            .and_then(|n| i128::from_str_radix(n.as_str(), n.radix()).ok())
            .ok_or_else(|| self.wants(&found, "a whole number"))?;
        match u32::try_from(number) {
            Ok(count) if (min..=max).contains(&count) => Ok(Some(count)),
            _ => {
                Err(self.value_error(&found, format!("must be from {min} to {max}, not {number}")))
            }
        }
    }

    /// A number above zero.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn positive(&mut self, key: &'static str) -> Result<Option<f64>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let number = match &found.value {
            DeValue::Integer(n) => n.as_str().parse::<f64>().ok(),
            DeValue::Float(n) => n.as_str().parse::<f64>().ok(),
            _ => return Err(self.wants(&found, "a number")),
        };
        match number {
            Some(number) if number.is_finite() && number > 0.0 => Ok(Some(number)),
            _ => Err(self.value_error(&found, "must be a number above 0".to_owned())),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn flag(&mut self, key: &'static str) -> Result<Option<bool>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        found
            .value
            .as_bool()
            .map(Some)
            .ok_or_else(|| self.wants(&found, "true or false"))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let list = found
            .value
            .as_array()
            .ok_or_else(|| self.wants(&found, "a list of texts"))?;
        let mut texts = Vec::with_capacity(list.len());
        for item in list.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => return Err(self.wants(&found, "a list of texts only")),
            }
        }
        Ok(Some(texts))
    }

    /// A list of texts, or one text with commas: `tags = "gpu,big"`.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn words(&mut self, key: &'static str) -> Result<Option<Vec<String>>, KeysError> {
        if self
            .entries
            .get(key)
            .is_some_and(|value| value.get_ref().is_str())
        {
            let text = self.text(key)?.unwrap_or_default();
            return Ok(Some(
                text.split(',')
                    .map(|word| word.trim().to_owned())
                    .filter(|word| !word.is_empty())
                    .collect(),
            ));
        }
        self.texts(key)
    }

    /// A table of free keys whose values are texts.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn text_map(
        &mut self,
        key: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let table = found
            .value
            .as_table()
            .ok_or_else(|| self.wants(&found, "a table"))?;
        let mut map = BTreeMap::new();
        for (name, value) in table.iter() {
            let text = value
                .get_ref()
                .as_str()
                .ok_or_else(|| self.wants(&found, "a table of texts only"))?;
            map.insert(name.get_ref().to_string(), text.to_owned());
        }
        Ok(Some(map))
    }

    /// A table of free keys whose values are texts, numbers or booleans, each as its text.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn scalar_map(
        &mut self,
        key: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let table = found
            .value
            .as_table()
            .ok_or_else(|| self.wants(&found, "a table"))?;
        let mut map = BTreeMap::new();
        for (name, value) in table.iter() {
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                DeValue::Boolean(flag) => flag.to_string(),
                _ => return Err(self.wants(&found, "plain values: texts, numbers, true or false")),
            };
            map.insert(name.get_ref().to_string(), text);
        }
        Ok(Some(map))
    }

    /// A table inside this one.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn table(&mut self, key: &'static str) -> Result<Option<Table<'a>>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        if !found.value.is_table() {
            return Err(self.wants(&found, "a table"));
        }
        Ok(self.inner(found.value, found.starts))
    }

    /// A list of tables: `[[host]]`. Absent = none.
    ///
    /// # Errors
    /// [`KeysError::Value`].
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Table<'a>>, KeysError> {
        let Some(found) = self.take(key) else {
            return Ok(Vec::new());
        };
        let all_tables = found
            .value
            .as_array()
            .is_some_and(|list| list.iter().all(|item| item.get_ref().is_table()));
        if !all_tables {
            return Err(self.wants(&found, &format!("[[{key}]] before each entry")));
        }
        let DeValue::Array(list) = found.value else {
            return Ok(Vec::new());
        };
        Ok(list
            .into_iter()
            .filter_map(|item| {
                let starts = item.span().start;
                self.inner(item.into_inner(), starts)
            })
            .collect())
    }

    fn inner(&self, value: DeValue<'a>, starts: usize) -> Option<Table<'a>> {
        match value {
            DeValue::Table(entries) => Some(Table {
                document: self.document,
                entries,
                asked: Vec::new(),
                starts,
            }),
            _ => None,
        }
    }

    /// Refuses every key that was not asked for.
    ///
    /// # Errors
    /// [`KeysError::UnknownKey`], for the first one in the file.
    pub fn end(self) -> Result<(), KeysError> {
        let first = self
            .entries
            .keys()
            .min_by_key(|key| Spanned::span(key).start);
        match first {
            None => Ok(()),
            Some(key) => Err(KeysError::UnknownKey {
                file: self.document.file.clone(),
                line: self.document.line_at(key.span().start),
                key: key.get_ref().to_string(),
                nearest: nearest(key.get_ref(), self.asked.iter().copied()).map(str::to_owned),
            }),
        }
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A path from a hand-written file: relative ones count from that file's folder.
#[must_use]
pub fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_key() {
        let document = Document::new("shot.toml", "scene = 'a'\n\nfraems = '1-10'\n");
        let mut table = document.table().unwrap();
        table.text("scene").unwrap();
        table.text("frames").unwrap();
        let message = table.end().unwrap_err().to_string();
        assert_eq!(
            message,
            "shot.toml, line 3: `fraems` is not known here; did you mean `frames`?"
        );
    }

    #[test]
    fn a_key_like_no_other_gets_no_guess() {
        let document = Document::new("shot.toml", "zebra = 1\n");
        let mut table = document.table().unwrap();
        table.text("frames").unwrap();
        assert_eq!(
            table.end().unwrap_err().to_string(),
            "shot.toml, line 1: `zebra` is not known here"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_line() {
        let document = Document::new("farm.toml", "a = 1\nslots = 'two'\n");
        let mut table = document.table().unwrap();
        let message = table.count("slots", 1, 9).unwrap_err().to_string();
        assert_eq!(
            message,
            "farm.toml, line 2: `slots` wants a whole number, not a text"
        );
    }

    #[test]
    fn broken_toml_is_a_sentence_with_a_line() {
        let document = Document::new("farm.toml", "[[host]\nname = 'a'\n");
        let message = document.table().err().unwrap().to_string();
        assert!(message.starts_with("farm.toml, line 1: "), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn words_are_a_list_or_one_text_with_commas() {
        let document = Document::new("x", "a = 'gpu, big'\nb = ['gpu', 'big']\n");
        let mut table = document.table().unwrap();
        assert_eq!(table.words("a").unwrap(), table.words("b").unwrap());
    }
}
