//! What the events come to of pictures that are put together, and of films and contact sheets: a part
//! of the account of [`super::tally`].

use std::collections::BTreeMap;

use framewright_core::event::{Event, PictureName, ReelKind};
use jiff::Timestamp;

use super::words::count;
use crate::documents::{AssembledCounts, Failure};
use crate::stored::reel_failure;

/// The account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assembly {
    pub(crate) counts: AssembledCounts,
    /// Pictures that failed, and reels.
    pub(crate) failures: Vec<Failure>,
    /// What is being put together, of how much, and since when.
    under_way: BTreeMap<PictureName, (u32, Timestamp)>,
    reel: Option<(ReelKind, u32, Timestamp)>,
    /// How often putting a picture together failed.
    failed: BTreeMap<PictureName, u32>,
}

impl Assembly {
    /// Takes an event in.
    pub(super) fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Assembling { picture, pieces } => {
                self.under_way.insert(picture.clone(), (*pieces, now));
            }
            Event::Assembled { picture, seams, .. } => {
                self.under_way.remove(picture);
                match seams.first() {
                    None => self.counts.done += 1,
                    Some(seam) => self.fail(picture, seam.to_string()),
                }
            }
            Event::AssemblyFailed {
                picture,
                why,
                again,
                ..
            } => {
                self.under_way.remove(picture);
                match again {
                    true => *self.failed.entry(picture.clone()).or_default() += 1,
                    false => self.fail(picture, why.clone()),
                }
            }
            Event::ReelBegun { kind, frames } => self.reel = Some((*kind, *frames, now)),
            Event::Reel { .. } => self.reel = None,
            Event::ReelFailed { kind, why, .. } => {
                self.reel = None;
                self.failures.push(reel_failure(*kind, why.clone()));
            }
            _ => {}
        }
    }

    fn fail(&mut self, picture: &PictureName, why: String) {
        self.counts.failed += 1;
        let before = self.failed.get(picture).copied().unwrap_or(0);
        self.failures.push(Failure {
            task: picture.to_string(),
            attempts: before + 1,
            why,
        });
    }

    /// What is done now beside rendering, and since when.
    pub(crate) fn doing(&self) -> Option<(String, Timestamp)> {
        if let Some((kind, frames, since)) = self.reel {
            let of = count(u64::from(frames), "frame", "frames");
            return Some((format!("making the {kind} of {of}"), since));
        }
        let (picture, (pieces, since)) = self.under_way.iter().next()?;
        let of = count(u64::from(*pieces), "piece", "pieces");
        let more = match self.under_way.len() {
            1 => String::new(),
            more => format!(", and {} more", more - 1),
        };
        Some((format!("assembling {picture} of {of}{more}"), *since))
    }
}
