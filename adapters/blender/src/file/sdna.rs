//! The structures that a file is made of, as it says itself (`DNA1`): fields are found by name.
//!
//! Every version of Blender lays its structures out in its own way and says how, so nothing but
//! names is taken for granted here. Refuses layouts that do not add up. Invariant: what `find` gives
//! lies within the structure.

use std::collections::BTreeMap;

use super::Trouble;
use super::order::Order;

/// Most names, types or structures: Blender has a few thousand.
const PARTS_MAX: u32 = 1 << 16;
/// How deep structures are nested within each other; Blender's are three or four deep.
const DEPTH_MAX: u32 = 16;

/// All structures.
#[derive(Debug, Default)]
pub(super) struct Sdna {
    structs: Vec<Layout>,
}

/// One structure.
#[derive(Debug, Default)]
struct Layout {
    name: String,
    size: usize,
    fields: Vec<Part>,
    by_name: BTreeMap<String, usize>,
}

/// One field of it.
#[derive(Debug)]
struct Part {
    at: usize,
    kind: Kind,
    /// Bytes of one element, and how many there are.
    size: usize,
    count: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The address of something.
    Pointer,
    /// A whole number; a `char` is one, or text.
    Signed,
    /// One without sign.
    Unsigned,
    /// `float` or `double`.
    Real,
    /// A structure, by its number.
    Struct(usize),
    /// Nothing that has a size.
    Other,
}

/// Where a field is within its structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub at: usize,
    pub kind: Kind,
    pub size: usize,
    pub count: usize,
}

impl Sdna {
    /// Reads the block `DNA1`.
    pub(super) fn read(bytes: &[u8], order: Order) -> Result<Self, Trouble> {
        let mut reader = Reader {
            bytes,
            at: 0,
            order,
        };
        reader.expect(*b"SDNA")?;
        reader.expect(*b"NAME")?;
        let names = reader.texts()?;
        reader.expect(*b"TYPE")?;
        let types = reader.texts()?;
        reader.expect(*b"TLEN")?;
        let sizes = (0..types.len())
            .map(|_| reader.short().map(usize::from))
            .collect::<Result<Vec<_>, _>>()?;
        reader.expect(*b"STRC")?;
        let mut raw = Vec::new();
        for _ in 0..reader.count()? {
            let kind = usize::from(reader.short()?);
            let fields = reader.short()?;
            let fields = (0..fields)
                .map(|_| Ok((usize::from(reader.short()?), usize::from(reader.short()?))))
                .collect::<Result<Vec<_>, Trouble>>()?;
            raw.push((kind, fields));
        }
        let numbers: BTreeMap<usize, usize> = (0..).zip(&raw).map(|(n, one)| (one.0, n)).collect();
        let mut sdna = Sdna::default();
        for (kind, fields) in &raw {
            let name = types.get(*kind).ok_or(Trouble::Dna)?;
            let mut layout = Layout {
                name: (*name).to_owned(),
                size: sizes[*kind],
                ..Layout::default()
            };
            let mut at = 0_usize;
            for (kind, name) in fields {
                let (kind_name, size) = (types.get(*kind).ok_or(Trouble::Dna)?, sizes[*kind]);
                let name = Name::read(names.get(*name).ok_or(Trouble::Dna)?);
                let (kind, size) = match name.is_pointer {
                    true => (Kind::Pointer, order.pointer_bytes()),
                    false => (kind_of(kind_name, numbers.get(kind).copied()), size),
                };
                let whole = size.checked_mul(name.count).ok_or(Trouble::Dna)?;
                layout
                    .by_name
                    .entry(name.text.to_owned())
                    .or_insert(layout.fields.len());
                layout.fields.push(Part {
                    at,
                    kind,
                    size,
                    count: name.count,
                });
                at = at.checked_add(whole).ok_or(Trouble::Dna)?;
            }
            if at > layout.size {
                return Err(Trouble::Dna);
            }
            sdna.structs.push(layout);
        }
        Ok(sdna)
    }

    /// A structure's name.
    pub(super) fn name(&self, number: usize) -> &str {
        self.structs.get(number).map_or("", |one| &one.name)
    }

    /// A structure's size.
    pub(super) fn size(&self, number: usize) -> usize {
        self.structs.get(number).map_or(0, |one| one.size)
    }

    /// The field that `path` names, as in `r.border.xmin`.
    pub(super) fn find(&self, number: usize, path: &str) -> Option<Field> {
        let mut layout = self.structs.get(number)?;
        let mut base = 0;
        let mut parts = path.split('.').peekable();
        for _ in 0..DEPTH_MAX {
            let part = &layout.fields[*layout.by_name.get(parts.next()?)?];
            let field = Field {
                at: base + part.at,
                kind: part.kind,
                size: part.size,
                count: part.count,
            };
            match (parts.peek(), part.kind) {
                (None, _) => return Some(field),
                (Some(_), Kind::Struct(inner)) => {
                    layout = self.structs.get(inner)?;
                    base = field.at;
                }
                (Some(_), _) => return None,
            }
        }
        None
    }
}

fn kind_of(name: &str, structure: Option<usize>) -> Kind {
    match (name, structure) {
        (_, Some(number)) => Kind::Struct(number),
        ("float" | "double", None) => Kind::Real,
        ("char" | "int8_t" | "short" | "int" | "int64_t" | "long", None) => Kind::Signed,
        ("uchar" | "ushort" | "uint64_t" | "ulong" | "uint8_t" | "uint16_t" | "uint32_t", None) => {
            Kind::Unsigned
        }
        _ => Kind::Other,
    }
}

/// `*next`, `gputexture[3][2]`, `(*free_edit)()`.
struct Name<'a> {
    text: &'a str,
    is_pointer: bool,
    count: usize,
}

impl<'a> Name<'a> {
    fn read(written: &'a str) -> Self {
        let is_pointer = written.starts_with(['*', '(']);
        let bare = written.trim_start_matches(['*', '(']);
        let end = bare.find(['[', ')']).unwrap_or(bare.len());
        let (text, sizes) = bare.split_at(end);
        let sizes = sizes
            .split('[')
            .skip(1)
            .filter_map(|size| size.split(']').next()?.parse::<usize>().ok());
        Name {
            text,
            is_pointer,
            count: sizes.fold(1, usize::saturating_mul),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    order: Order,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Trouble> {
        let end = self.at.checked_add(count).ok_or(Trouble::Dna)?;
        let taken = self.bytes.get(self.at..end).ok_or(Trouble::Dna)?;
        self.at = end;
        Ok(taken)
    }

    /// Sections begin at multiples of four.
    fn expect(&mut self, mark: [u8; 4]) -> Result<(), Trouble> {
        self.at = self.at.next_multiple_of(4);
        match self.take(4)? == mark {
            true => Ok(()),
            false => Err(Trouble::Dna),
        }
    }

    fn count(&mut self) -> Result<u32, Trouble> {
        let count = self.order.unsigned(self.take(4)?);
        u32::try_from(count)
            .ok()
            .filter(|count| *count <= PARTS_MAX)
            .ok_or(Trouble::Dna)
    }

    fn short(&mut self) -> Result<u16, Trouble> {
        u16::try_from(self.order.unsigned(self.take(2)?)).map_err(|_| Trouble::Dna)
    }

    fn texts(&mut self) -> Result<Vec<&'a str>, Trouble> {
        let count = self.count()?;
        let mut texts = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let rest = &self.bytes[self.at..];
            let end = rest
                .iter()
                .position(|byte| *byte == 0)
                .ok_or(Trouble::Dna)?;
            texts.push(std::str::from_utf8(&rest[..end]).map_err(|_| Trouble::Dna)?);
            self.at += end + 1;
        }
        Ok(texts)
    }
}
