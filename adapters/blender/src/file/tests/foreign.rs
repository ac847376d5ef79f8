//! The same scene as another machine would have saved it: the other byte order, short pointers.
//!
//! No such file was found, so one that was is rewritten by its own table of structures.

use std::collections::BTreeMap;
use std::fs;

use super::hostile::unpacked;
use super::{facts, told, vendored};
use crate::lines::Message;

/// What a type's bytes are.
fn is_number(kind: &str) -> bool {
    matches!(
        kind,
        "short" | "ushort" | "int" | "float" | "double" | "int64_t" | "uint64_t"
    )
}

/// A structure's fields: kind, whether it is an address, bytes, how many.
type Fields = Vec<(String, bool, usize, usize)>;

struct Rewriter {
    big: bool,
    short: bool,
    structs: BTreeMap<String, Fields>,
    /// Short addresses for long ones.
    addresses: BTreeMap<u64, u32>,
}

impl Rewriter {
    fn number(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.big {
            bytes.reverse();
        }
        bytes
    }

    fn address(&mut self, bytes: &[u8]) -> Vec<u8> {
        let long = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        if !self.short {
            return self.number(bytes);
        }
        let next = u32::try_from(self.addresses.len()).expect("few") * 16 + 16;
        let short = match long {
            0 => 0,
            long => *self.addresses.entry(long).or_insert(next),
        };
        self.number(&short.to_le_bytes())
    }

    /// One structure, field by field.
    fn rewrite(&mut self, name: &str, bytes: &[u8], out: &mut Vec<u8>) {
        let fields = self.structs[name].clone();
        let mut at = 0;
        for (kind, is_address, size, count) in fields {
            for _ in 0..count {
                let one = &bytes[at..at + size];
                at += size;
                if is_address {
                    out.extend(self.address(one));
                } else if self.structs.contains_key(&kind) {
                    self.rewrite(&kind, one, out);
                } else if is_number(&kind) {
                    out.extend(self.number(one));
                } else {
                    out.extend(one);
                }
            }
        }
    }
}

/// What is in a table of structures.
struct Table {
    names: Vec<String>,
    types: Vec<String>,
    sizes: Vec<usize>,
    structs: Vec<(usize, Vec<(usize, usize)>)>,
}

fn short_at(bytes: &[u8], at: &mut usize) -> usize {
    *at += 2;
    usize::from(u16::from_le_bytes([bytes[*at - 2], bytes[*at - 1]]))
}

fn table(bytes: &[u8]) -> Table {
    let count =
        |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let mut at = 8;
    let texts = |at: &mut usize| {
        let many = count(*at);
        *at += 4;
        let mut texts = Vec::new();
        for _ in 0..many {
            let end = *at
                + bytes[*at..]
                    .iter()
                    .position(|one| *one == 0)
                    .expect("an end");
            texts.push(String::from_utf8(bytes[*at..end].to_vec()).expect("text"));
            *at = end + 1;
        }
        *at = at.next_multiple_of(4) + 4;
        texts
    };
    let names = texts(&mut at);
    let types = texts(&mut at);
    let sizes = types.iter().map(|_| short_at(bytes, &mut at)).collect();
    at = at.next_multiple_of(4) + 4;
    let many = count(at);
    at += 4;
    let mut structs = Vec::new();
    for _ in 0..many {
        let kind = short_at(bytes, &mut at);
        let fields = short_at(bytes, &mut at);
        let fields = (0..fields).map(|_| (short_at(bytes, &mut at), short_at(bytes, &mut at)));
        structs.push((kind, fields.collect()));
    }
    Table {
        names,
        types,
        sizes,
        structs,
    }
}

fn elements(name: &str) -> usize {
    let sizes = name.split('[').skip(1);
    sizes
        .map(|one| {
            one.split(']')
                .next()
                .expect("a size")
                .parse::<usize>()
                .expect("a number")
        })
        .product()
}

/// The file as a machine of the other kind would have saved it.
fn rewritten(bytes: &[u8], big: bool, short: bool) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let mut blocks = Vec::new();
    let mut at = 12;
    loop {
        let length = u32_at(at + 4) as usize;
        blocks.push((at, at + 24..at + 24 + length));
        if bytes[at..].starts_with(b"ENDB") {
            break;
        }
        at += 24 + length;
    }
    let dna = blocks
        .iter()
        .find(|(at, _)| bytes[*at..].starts_with(b"DNA1"))
        .expect("a table");
    let dna = table(&bytes[dna.1.clone()]);
    let mut rewriter = Rewriter {
        big,
        short,
        structs: BTreeMap::new(),
        addresses: BTreeMap::new(),
    };
    for (kind, fields) in &dna.structs {
        let fields = fields.iter().map(|(kind, name)| {
            let name = &dna.names[*name];
            let is_address = name.starts_with(['*', '(']);
            let size = if is_address { 8 } else { dna.sizes[*kind] };
            (dna.types[*kind].clone(), is_address, size, elements(name))
        });
        rewriter
            .structs
            .insert(dna.types[*kind].clone(), fields.collect());
    }
    let mut out = b"BLENDER".to_vec();
    out.push(if short { b'_' } else { b'-' });
    out.push(if big { b'V' } else { b'v' });
    out.extend(&bytes[9..12]);
    for (head, body) in blocks {
        let (structure, count) = (u32_at(head + 16) as usize, u32_at(head + 20) as usize);
        let (kind, _) = &dna.structs[structure];
        let (name, size) = (&dna.types[*kind], dna.sizes[*kind]);
        let mut content = Vec::new();
        let is_dna = bytes[head..].starts_with(b"DNA1");
        if is_dna {
            content = table_of(&dna, &rewriter);
        } else if structure > 0 && size * count <= body.len() {
            for one in bytes[body.clone()].chunks_exact(size).take(count) {
                rewriter.rewrite(name, one, &mut content);
            }
        } else {
            content.extend(&bytes[body]);
        }
        out.extend(&bytes[head..head + 4]);
        let length = u32::try_from(content.len()).expect("small");
        out.extend(rewriter.number(&length.to_le_bytes()));
        out.extend(rewriter.address(&bytes[head + 8..head + 16]));
        for at in [head + 16, head + 20] {
            out.extend(rewriter.number(&bytes[at..at + 4]));
        }
        out.extend(content);
    }
    out
}

fn table_of(dna: &Table, rewriter: &Rewriter) -> Vec<u8> {
    let pad = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(4), 0);
    let long = |value: usize| rewriter.number(&u32::try_from(value).expect("few").to_le_bytes());
    let small = |value: usize| rewriter.number(&u16::try_from(value).expect("few").to_le_bytes());
    let mut out = b"SDNA".to_vec();
    for (mark, texts) in [(b"NAME", &dna.names), (b"TYPE", &dna.types)] {
        out.extend(mark);
        out.extend(long(texts.len()));
        for text in texts {
            out.extend(text.as_bytes());
            out.push(0);
        }
        pad(&mut out);
    }
    out.extend(b"TLEN");
    for (name, size) in dna.types.iter().zip(&dna.sizes) {
        out.extend(small(new_size(name, *size, rewriter)));
    }
    pad(&mut out);
    out.extend(b"STRC");
    out.extend(long(dna.structs.len()));
    for (kind, fields) in &dna.structs {
        out.extend(small(*kind));
        out.extend(small(fields.len()));
        for (kind, name) in fields {
            out.extend(small(*kind));
            out.extend(small(*name));
        }
    }
    out
}

fn new_size(name: &str, size: usize, rewriter: &Rewriter) -> usize {
    let Some(fields) = rewriter.structs.get(name) else {
        return size;
    };
    let sizes = fields.iter().map(|(kind, is_address, size, count)| {
        let one = match (is_address, rewriter.short) {
            (true, true) => 4,
            (true, false) => 8,
            (false, _) => new_size(kind, *size, rewriter),
        };
        one * count
    });
    sizes.sum()
}

#[test]
fn files_of_other_machines_say_the_same() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["base_scene", "2_90", "36_viewport_material_export"] {
        let packed = fs::read(vendored().join(format!("{name}.blend"))).expect("a sample");
        let bytes = unpacked(&packed);
        let path = dir.path().join("here.blend");
        fs::write(&path, &bytes).expect("a file");
        let here = told(&path).expect("it can be read");
        assert!(facts(&here).width > 100);
        for (big, short) in [(true, false), (false, true), (true, true)] {
            let foreign = rewritten(&bytes, big, short);
            assert_ne!(foreign, bytes);
            let path = dir.path().join(format!("{name}_{big}_{short}.blend"));
            fs::write(&path, foreign).expect("a file");
            let there: Vec<Message> = told(&path).expect("it can be read");
            assert_eq!(
                there, here,
                "{name}, big endian {big}, short pointers {short}"
            );
        }
    }
}
