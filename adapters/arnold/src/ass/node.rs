//! From tokens to nodes.
//!
//! A parameter's type is not in the file, so where its value ends is told by what follows: numbers and
//! strings go on with it, any other word is the next parameter's name. Arrays say how long they are.

use super::Item;
use super::lexer::{Lexer, TEXT_BYTES_MAX, Token, is_number};

/// Values of a parameter that are kept.
pub(super) const VALUES_MAX: usize = 4096;
/// Numbers of a parameter that are kept: a matrix has 16.
const NUMBERS_MAX: usize = 64;
/// Parameters of a node that are kept.
const PARAMS_MAX: usize = 4096;
/// Bytes of a node's texts that are kept.
const NODE_BYTES_MAX: usize = 1 << 20;

/// Types of array elements, and how many values each has.
const ARRAY_TYPES: [(&str, u64); 20] = [
    ("BYTE", 1),
    ("INT", 1),
    ("UINT", 1),
    ("USHORT", 1),
    ("HALF", 1),
    ("FLOAT", 1),
    ("BOOL", 1),
    ("BOOLEAN", 1),
    ("STRING", 1),
    ("NODE", 1),
    ("POINTER", 1),
    ("CLOSURE", 1),
    ("ENUM", 1),
    ("VECTOR2", 2),
    ("POINT2", 2),
    ("RGB", 3),
    ("VECTOR", 3),
    ("POINT", 3),
    ("RGBA", 4),
    ("MATRIX", 16),
];

/// A node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its type: `persp_camera`.
    pub kind: String,
    /// Its parameters, in their order; a name may come twice, and the last one counts.
    pub params: Vec<Param>,
}

/// A parameter of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its values, or the first of them; none of a base85 array.
    pub values: Vec<Value>,
    /// Type of its elements, where it is written as an array.
    pub array: Option<String>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// As it stands there, without quotes: a number, `on`, a name.
    Word(String),
    /// What stands between quotes.
    Text(String),
}

impl Value {
    /// The characters, whichever it is.
    pub fn text(&self) -> &str {
        match self {
            Value::Word(text) | Value::Text(text) => text,
        }
    }
}

impl Node {
    /// A parameter by its name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().rev().find(|param| param.name == name)
    }

    /// A parameter's only or first value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.values.first().map(Value::text)
    }

    /// All values of a parameter.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.get(name).map_or(&[][..], |param| &param.values);
        values.iter().map(Value::text)
    }

    /// A parameter that is a finite number.
    pub fn number(&self, name: &str) -> Option<f64> {
        let number: f64 = self.text(name)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// A parameter that is a whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| {
            let number = self.number(name)?;
            (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
        })
    }

    /// A parameter that is a switch.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.text(name)? {
            "on" | "true" | "yes" | "1" => Some(true),
            "off" | "false" | "no" | "0" => Some(false),
            _ => None,
        }
    }
}

/// Hands over everything at the top of the file.
pub fn items(lexer: &mut Lexer<'_>, take: &mut dyn FnMut(Item)) -> Result<(), String> {
    loop {
        let token = lexer.next()?;
        for (key, value) in lexer.take_headers() {
            take(Item::Header { key, value });
        }
        match token {
            Token::End => return Ok(()),
            Token::Word(word) if word == "include" => match lexer.next()? {
                Token::Text(path) | Token::Word(path) => take(Item::Include(path)),
                _ => return Err("`include` names no file".to_owned()),
            },
            Token::Word(kind) => {
                if lexer.next()? != Token::Open {
                    let kind: String = kind.chars().take(40).collect();
                    return Err(format!("`{kind}` is no node: no `{{` follows"));
                }
                take(Item::Node(body(kind, lexer)?));
            }
            Token::Open | Token::Close => return Err("a brace belongs to no node".to_owned()),
            Token::Text(_) => return Err("a string belongs to no node".to_owned()),
        }
    }
}

fn body(kind: String, lexer: &mut Lexer<'_>) -> Result<Node, String> {
    let begun = lexer.line();
    let mut node = Node {
        kind,
        params: Vec::new(),
    };
    let mut room = NODE_BYTES_MAX;
    loop {
        match lexer.next()? {
            Token::Close => return Ok(node),
            Token::End => {
                return Err(format!(
                    "the node `{}` that begins in line {begun} has no end: the file is cut off",
                    node.kind.chars().take(40).collect::<String>()
                ));
            }
            Token::Word(name) if name == "declare" => declaration(lexer)?,
            Token::Word(name) => {
                let param = param(name, lexer)?;
                let bytes = param.name.len()
                    + param
                        .values
                        .iter()
                        .map(|value| value.text().len() + 32)
                        .sum::<usize>();
                if node.params.len() < PARAMS_MAX && bytes <= room {
                    room -= bytes;
                    node.params.push(param);
                }
            }
            // A value of nothing; Arnold complains of it and goes on.
            Token::Text(_) => {}
            Token::Open => return Err("a node begins within another".to_owned()),
        }
    }
}

/// `declare NAME CLASS TYPE`, or `declare NAME CLASS ARRAY TYPE`: user data, which says nothing here.
fn declaration(lexer: &mut Lexer<'_>) -> Result<(), String> {
    for place in 0..3 {
        match lexer.next()? {
            Token::Word(word) if place == 2 && word == "ARRAY" => match lexer.next()? {
                Token::Word(_) => {}
                other => lexer.give_back(other),
            },
            Token::Word(_) => {}
            other => {
                lexer.give_back(other);
                break;
            }
        }
    }
    Ok(())
}

fn param(name: String, lexer: &mut Lexer<'_>) -> Result<Param, String> {
    let mut param = Param {
        name,
        ..Param::default()
    };
    let mut kept = 0;
    let mut first = true;
    loop {
        let token = lexer.next()?;
        match token {
            Token::Text(text) => keep(&mut param, Value::Text(text), VALUES_MAX, &mut kept),
            Token::Word(word) => {
                if let Some((count, arity)) = array(&param, &word) {
                    param.values.clear();
                    elements(&mut param, word, count.saturating_mul(arity), lexer)?;
                    return Ok(param);
                }
                if !first && !is_number(word.as_bytes()) {
                    lexer.give_back(Token::Word(word));
                    return Ok(param);
                }
                keep(&mut param, Value::Word(word), NUMBERS_MAX, &mut kept);
            }
            Token::Open | Token::Close | Token::End => {
                lexer.give_back(token);
                return Ok(param);
            }
        }
        first = false;
    }
}

/// Keeps a value, unless there are many already.
fn keep(param: &mut Param, value: Value, most: usize, bytes: &mut usize) {
    *bytes += value.text().len();
    if param.values.len() < most && *bytes <= TEXT_BYTES_MAX * 4 {
        param.values.push(value);
    }
}

/// Whether what was read of a parameter and this word are the head of an array: `ELEMENTS KEYS TYPE`.
/// How many elements it has, and how many values each of them.
fn array(param: &Param, word: &str) -> Option<(u64, u64)> {
    let [Value::Word(elements), Value::Word(keys)] = param.values.as_slice() else {
        return None;
    };
    let name = element_type(word).unwrap_or(word);
    let (_, arity) = ARRAY_TYPES.iter().find(|(known, _)| *known == name)?;
    let (elements, keys): (u64, u64) = (elements.parse().ok()?, keys.parse().ok()?);
    Some((elements.saturating_mul(keys), *arity))
}

/// Type of the elements of an encoded array.
fn element_type(word: &str) -> Option<&str> {
    let name = word.strip_prefix("b85").or(word.strip_prefix("b64"))?;
    Some(name.trim_end_matches('`'))
}

fn elements(
    param: &mut Param,
    kind: String,
    count: u64,
    lexer: &mut Lexer<'_>,
) -> Result<(), String> {
    let encoded = element_type(&kind).map(str::to_owned);
    let is_encoded = encoded.is_some();
    let kind = encoded.unwrap_or(kind);
    let takes_names = matches!(
        kind.as_str(),
        "STRING" | "NODE" | "POINTER" | "CLOSURE" | "ENUM" | "BOOL" | "BOOLEAN"
    );
    param.array = Some(kind);
    if is_encoded {
        if count > 0 {
            lexer.skip_base85();
        }
        return Ok(());
    }
    let mut kept = 0;
    for done in 0..count {
        if !takes_names && param.values.len() >= NUMBERS_MAX {
            return lexer.skip_numbers(count - done);
        }
        match lexer.next()? {
            Token::Text(text) => keep(param, Value::Text(text), VALUES_MAX, &mut kept),
            Token::Word(word) if takes_names || is_number(word.as_bytes()) => {
                keep(param, Value::Word(word), VALUES_MAX, &mut kept);
            }
            other => {
                lexer.give_back(other);
                return Ok(());
            }
        }
    }
    Ok(())
}
