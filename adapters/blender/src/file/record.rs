//! A structure within a file: its fields by name, and where its pointers lead.
//!
//! A field that a version does not have, or that does not hold what is asked for, is `None`: the
//! caller knows what its absence means.

use super::sdna::{Field, Kind};
use super::{Blend, Seen};

/// One structure.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    blend: &'a Blend,
    block: u32,
    structure: usize,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first structure of a block.
    pub(super) fn of_block(blend: &'a Blend, number: u32) -> Option<Self> {
        let block = blend.blocks.get(number as usize)?;
        let bytes = blend.bodies.get(block.start..block.start + block.length)?;
        Some(Record {
            blend,
            block: number,
            structure: block.structure as usize,
            bytes,
        })
    }

    /// The name of the structure, as in `ClothModifierData`.
    pub(super) fn kind(&self) -> &'a str {
        self.blend.sdna.name(self.structure)
    }

    /// Where it was in memory: what tells it from others.
    pub(super) fn address(&self) -> u64 {
        self.blend.blocks[self.block as usize].address
    }

    /// The same, told apart from those of other files.
    pub(super) fn key(&self) -> (u32, u64) {
        (self.blend.number, self.address())
    }

    /// The file that it is in.
    pub(super) fn blend(&self) -> &'a Blend {
        self.blend
    }

    /// Whether this version has such a field.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.blend.sdna.find(self.structure, path).is_some()
    }

    /// The two letters of the data-block that it is, as in `SC`.
    pub(super) fn code(&self) -> [u8; 2] {
        let code = self.blend.blocks[self.block as usize].code;
        [code[0], code[1]]
    }

    fn field(&self, path: &str) -> Option<(Field, &'a [u8])> {
        let field = self.blend.sdna.find(self.structure, path)?;
        let end = field.at.checked_add(field.size.checked_mul(field.count)?)?;
        Some((field, self.bytes.get(field.at..end)?))
    }

    /// A whole number; of several, the first.
    pub(super) fn int(&self, path: &str) -> Option<i64> {
        let (field, bytes) = self.field(path)?;
        let (order, bytes) = (self.blend.header.order, bytes.get(..field.size)?);
        match field.kind {
            Kind::Signed => Some(order.signed(bytes)),
            Kind::Unsigned => i64::try_from(order.unsigned(bytes)).ok(),
            Kind::Pointer | Kind::Real | Kind::Struct(_) | Kind::Other => None,
        }
    }

    /// Whether a bit of a number is set; false where there is no such number.
    pub(super) fn has(&self, path: &str, bit: u32) -> bool {
        self.int(path).is_some_and(|flags| flags >> bit & 1 == 1)
    }

    /// A `float` or `double`.
    pub(super) fn real(&self, path: &str) -> Option<f64> {
        let (field, bytes) = self.field(path)?;
        let bytes = bytes.get(..field.size)?;
        (field.kind == Kind::Real).then(|| self.blend.header.order.real(bytes))
    }

    /// Text in place; what is not UTF-8 is replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let (field, bytes) = self.field(path)?;
        if field.kind != Kind::Signed || field.size != 1 {
            return None;
        }
        Some(until_nul(bytes))
    }

    /// An address that is not nothing.
    pub(super) fn pointer(&self, path: &str) -> Option<u64> {
        let (field, bytes) = self.field(path)?;
        let address = self.blend.header.order.unsigned(bytes.get(..field.size)?);
        (field.kind == Kind::Pointer && address != 0).then_some(address)
    }

    /// What a pointer leads to; none too where that is not kept.
    pub(super) fn follow(&self, path: &str) -> Option<Record<'a>> {
        self.to(self.pointer(path)?)
    }

    fn to(&self, address: u64) -> Option<Record<'a>> {
        if !self.blend.step() {
            return None;
        }
        let owner = self.blend.blocks[self.block as usize].owner;
        Record::of_block(self.blend, self.blend.place(address, owner)?)
    }

    /// The elements of a list, in its order.
    pub(super) fn list(&self, path: &str) -> Vec<Record<'a>> {
        self.chain(self.pointer(&format!("{path}.first")), "next")
    }

    fn chain(&self, first: Option<u64>, next: &str) -> Vec<Record<'a>> {
        let (mut found, mut seen) = (Vec::new(), Seen::new());
        let mut address = first;
        while let Some(one) = address.filter(|one| seen.insert((0, *one))) {
            let Some(element) = self.to(one) else { break };
            found.push(element);
            // Of structures within structures, such as modifiers, the first field is the general one.
            let inner = ["", "modifier.", "id."];
            let mut pointers = inner.iter().map(|before| format!("{before}{next}"));
            address = pointers.find_map(|path| element.pointer(&path));
        }
        found
    }

    /// The structures of an array that a pointer leads to.
    pub(super) fn array(&self, path: &str) -> Vec<Record<'a>> {
        let Some(first) = self.follow(path) else {
            return Vec::new();
        };
        let size = self.blend.sdna.size(first.structure);
        if size == 0 {
            return Vec::new();
        }
        let many = first.bytes.chunks_exact(size);
        many.take_while(|_| self.blend.step())
            .map(|bytes| Record { bytes, ..first })
            .collect()
    }

    /// The name of a data-block, without the two letters before it. Placeholders have one too.
    pub(super) fn name(&self) -> String {
        let whole = self.text("id.name").or_else(|| self.text("name"));
        whole.map_or_else(String::new, |name| name.chars().skip(2).collect())
    }
}

fn until_nul(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
