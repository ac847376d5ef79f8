//! What channels are called in the merged file, and from where each comes.

use std::collections::BTreeMap;

use super::MergeError;
use super::input::Input;
use crate::openexr::{Attribute, Channel};

/// The longest name that the format allows.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// What Blender calls the compositor's result.
const COMPOSITE: &str = "Composite";

/// A channel of the merged file.
pub(super) struct Source {
    pub(super) channel: Channel,
    pub(super) input: usize,
    /// Bytes of the channels before it in a pixel of its file.
    pub(super) offset: usize,
}

/// All channels, in the order of their names.
pub(super) struct Arranged {
    pub(super) sources: Vec<Source>,
    pub(super) left_out: Vec<String>,
}

/// Names the channels of all files.
pub(super) fn arrange(inputs: &[Input], are_several: bool) -> Result<Arranged, MergeError> {
    let mut by_name: BTreeMap<String, Source> = BTreeMap::new();
    let mut left_out = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let prefix = format!("{}.", input.layer);
        let names: Vec<String> = input
            .part
            .channels
            .iter()
            .map(|c| in_file(input, c))
            .collect();
        let is_multilayer = names.iter().any(|name| name.starts_with(&prefix));
        let mut offset = 0;
        for (channel, own) in input.part.channels.iter().zip(names) {
            let source = Source {
                channel: channel.clone(),
                input: number,
                offset,
            };
            offset += channel.sample.bytes();
            let is_composite = input.layer != COMPOSITE
                && own
                    .strip_prefix(COMPOSITE)
                    .is_some_and(|rest| rest.starts_with('.'));
            if is_composite && is_multilayer {
                if are_several {
                    left_out.push(format!("{own} of {}", input.path.display()));
                    continue;
                }
                put(&mut by_name, own, source, inputs)?;
            } else if own.starts_with(&prefix) {
                put(&mut by_name, own, source, inputs)?;
            } else {
                put(&mut by_name, prefix.clone() + &own, source, inputs)?;
            }
        }
    }
    let sources = by_name.into_iter().map(|(name, mut source)| {
        source.channel.name = name;
        source
    });
    Ok(Arranged {
        sources: sources.collect(),
        left_out,
    })
}

/// A channel's full name in its file: that of its part goes first.
fn in_file(input: &Input, channel: &Channel) -> String {
    match &input.part.name {
        Some(part) if input.is_one_of_several && !part.is_empty() => {
            let prefix = format!("{part}.");
            if channel.name.starts_with(&prefix) {
                channel.name.clone()
            } else {
                prefix + &channel.name
            }
        }
        _ => channel.name.clone(),
    }
}

fn put(
    by_name: &mut BTreeMap<String, Source>,
    name: String,
    source: Source,
    inputs: &[Input],
) -> Result<(), MergeError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(MergeError::NameTooLong(name));
    }
    let input = source.input;
    match by_name.insert(name.clone(), source) {
        None => Ok(()),
        Some(other) => Err(MergeError::ChannelTwice {
            name,
            first: inputs[other.input].path.clone(),
            second: inputs[input].path.clone(),
        }),
    }
}

impl Arranged {
    /// The channels alone.
    pub(super) fn channels(&self) -> Vec<Channel> {
        self.sources
            .iter()
            .map(|source| source.channel.clone())
            .collect()
    }

    /// `name:type`.
    pub(super) fn described(&self) -> Vec<String> {
        self.sources
            .iter()
            .map(|source| format!("{}:{}", source.channel.name, source.channel.sample.name()))
            .collect()
    }

    /// The list in the file's header.
    pub(super) fn attribute(&self) -> Attribute {
        let mut value = Vec::new();
        for Source { channel, .. } in &self.sources {
            value.extend_from_slice(channel.name.as_bytes());
            value.push(0);
            value.extend((channel.sample as u32).to_le_bytes());
            value.extend([u8::from(channel.linear), 0, 0, 0]);
            value.extend([1_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat());
        }
        value.push(0);
        Attribute::new("channels", "chlist", value)
    }
}
