//! Custom properties: where add-ons such as Cycles keep their settings.
//!
//! Values that equal their defaults are not stored, so whoever asks says what absence means. Since 5.0
//! those of add-ons are kept apart from the user's, which may hold a stale copy.

use super::record::Record;

/// A group of properties.
pub(super) struct Properties<'a> {
    group: Option<Record<'a>>,
}

const INT: i64 = 1;
const FLOAT: i64 = 2;
const GROUP: i64 = 6;
const DOUBLE: i64 = 8;
const BOOLEAN: i64 = 10;

impl<'a> Properties<'a> {
    /// The group that an add-on keeps in a structure.
    pub(super) fn of(holder: &Record<'a>, addon: &str) -> Self {
        let roots = ["id.system_properties", "id.properties"];
        Self::first(holder, &roots, addon)
    }

    /// The same in a view layer.
    pub(super) fn of_layer(layer: &Record<'a>, addon: &str) -> Self {
        let roots = ["system_properties", "id_properties", "prop"];
        Self::first(layer, &roots, addon)
    }

    fn first(holder: &Record<'a>, roots: &[&str], addon: &str) -> Self {
        let mut groups = roots.iter().filter_map(|root| holder.follow(root));
        let group = groups.find_map(|root| child(&root, addon));
        Properties { group }
    }

    /// A number, where it is stored.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let property = child(self.group.as_ref()?, name)?;
        let value = property.int("data.val")?;
        let low = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
        match property.int("type")? {
            INT => i32::try_from(value).ok().map(f64::from),
            BOOLEAN => Some(f64::from(u8::from(value & 0xff != 0))),
            FLOAT => Some(f64::from(f32::from_bits(low))),
            DOUBLE => {
                let high = property.int("data.val2")?.cast_unsigned() << 32;
                Some(f64::from_bits(high | u64::from(low)))
            }
            _ => None,
        }
    }

    /// Whether a switch is on; none where it is not stored.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.number(name).map(|value| value != 0.0)
    }
}

fn child<'a>(group: &Record<'a>, name: &str) -> Option<Record<'a>> {
    if group.int("type") != Some(GROUP) {
        return None;
    }
    let children = group.list("data.group");
    children
        .into_iter()
        .find(|one| one.text("name").as_deref() == Some(name))
}
