//! Reading what is remembered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::record::SPEED_TASKS_MIN;
use super::{History, HistoryError, SceneKey, Take};

/// A scene of which something is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneSummary {
    /// Its canonical path.
    pub path: String,
    /// The adapter's id.
    pub adapter: String,
    /// Runs that left costs here.
    pub renders: u32,
    /// When the last one ended.
    pub measured: Timestamp,
}

/// A take of a scene, without its costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecalledTake {
    id: i64,
    seq: i64,
    /// Which.
    pub take: Take,
    /// The scene's size then.
    pub bytes: u64,
    /// When the scene was last changed then.
    pub modified: Timestamp,
    /// When its last run ended.
    pub measured: Timestamp,
}

/// A host as earlier runs found it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecalledHost {
    /// Its name.
    pub name: String,
    /// Its slots.
    pub slots: u32,
    /// Its speed.
    pub speed: f64,
    /// Tasks that this stands on.
    pub tasks: u32,
    /// Mean seconds of a load; 0 where it never loaded.
    pub load_s: f64,
    /// Loads that this stands on.
    pub loads: u32,
}

impl RecalledHost {
    /// Whether enough tasks stand for its speed that a guess may be set aside.
    #[must_use]
    pub fn is_speed_known(&self) -> bool {
        self.tasks >= SPEED_TASKS_MIN
    }
}

/// A known cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Seconds on a host of speed 1, at the ratio of the takes before.
    pub cost_s: f64,
    /// The host that it was measured on.
    pub host: String,
    /// When.
    pub measured: Timestamp,
    /// Whether it was the first task after a load.
    pub first: bool,
    /// Which of the takes that were added, from 0.
    pub take: usize,
}

/// What several takes of one scene tell together.
///
/// Those added first count most: a later one fills in only what is missing yet, and its costs are
/// multiplied by Σ known / Σ its own over what both know of a layer, because a scene that was
/// changed, or is rendered with other settings, mostly costs more or less everywhere.
#[derive(Clone, Debug, Default)]
pub struct Recollection {
    /// By layer, then frame and tile (`COLUMN,ROW`; empty for a whole frame).
    layers: BTreeMap<String, Places>,
    takes: usize,
}

/// Costs of a layer, by frame and tile.
type Places = BTreeMap<(i32, String), Known>;
type Costs = BTreeMap<String, Places>;

impl Recollection {
    /// Adds a take's costs.
    fn add(&mut self, costs: Costs) {
        for (layer, theirs) in costs {
            let ours = self.layers.entry(layer).or_default();
            let ratio = ratio(ours, &theirs);
            for (place, cost) in theirs {
                ours.entry(place).or_insert(Known {
                    cost_s: cost.cost_s * ratio,
                    take: self.takes,
                    ..cost
                });
            }
        }
        self.takes += 1;
    }

    /// Layers of which something is known, with every place of each.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &BTreeMap<(i32, String), Known>)> {
        self.layers
            .iter()
            .map(|(layer, known)| (layer.as_str(), known))
    }

    /// Whole frames of a layer, rising.
    pub fn frames(&self, layer: &str) -> impl Iterator<Item = (i32, &Known)> {
        let known = self.layers.get(layer).into_iter().flatten();
        known.filter_map(|((frame, tile), known)| tile.is_empty().then_some((*frame, known)))
    }

    /// Whether every one of these frames is known of every one of these layers.
    fn knows(&self, layers: &[&str], frames: &[i32]) -> bool {
        layers.iter().all(|layer| {
            let mut known = self.frames(layer).map(|(frame, _)| frame);
            frames
                .iter()
                .all(|frame| known.by_ref().any(|other| other == *frame))
        })
    }
}

/// Σ ours / Σ theirs over what both know; 1 where they have nothing in common. First tasks after a
/// load are compared with their like, unless there is nothing else.
fn ratio(ours: &Places, theirs: &Places) -> f64 {
    let (mut alike, mut all) = ((0.0, 0.0), (0.0, 0.0));
    for (place, their) in theirs {
        let Some(our) = ours.get(place) else { continue };
        all = (all.0 + our.cost_s, all.1 + their.cost_s);
        if our.first == their.first {
            alike = (alike.0 + our.cost_s, alike.1 + their.cost_s);
        }
    }
    let (our, their) = if alike.1 > 0.0 { alike } else { all };
    if their > 0.0 { our / their } else { 1.0 }
}

/// Everything of one scene that a run wants to know.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The scene.
    pub scene: SceneSummary,
    /// Takes that were added to `costs`, in that order.
    pub takes: Vec<RecalledTake>,
    /// What they tell.
    pub costs: Recollection,
    /// Its hosts, the newest first.
    pub hosts: Vec<RecalledHost>,
}

/// A scene whose costs can be asked for.
pub struct Scene<'a> {
    history: &'a History,
    connection: Connection,
    id: i64,
    summary: SceneSummary,
    takes: Vec<RecalledTake>,
}

impl History {
    /// What is remembered of a scene; nothing of one that was never rendered.
    pub fn find(&self, scene: SceneKey<'_>) -> Result<Option<Scene<'_>>, HistoryError> {
        let Some(connection) = self.open("read")? else {
            return Ok(None);
        };
        let found = (|| {
            let Some((id, renders)) = connection
                .query_row(
                    "SELECT id, renders FROM scene WHERE path = ?1 AND adapter = ?2",
                    params![scene.path, scene.adapter],
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?)),
                )
                .optional()?
            else {
                return Ok(None);
            };
            Ok(Some((id, renders, takes(&connection, id)?)))
        })()
        .map_err(|error| self.explain("read", error))?;
        Ok(found.and_then(|(id, renders, takes)| {
            let summary = SceneSummary {
                path: scene.path.to_owned(),
                adapter: scene.adapter.to_owned(),
                renders,
                measured: takes.first()?.measured,
            };
            Some(Scene {
                history: self,
                connection,
                id,
                summary,
                takes,
            })
        }))
    }

    /// All scenes, the newest first.
    pub fn scenes(&self) -> Result<Vec<SceneSummary>, HistoryError> {
        let Some(connection) = self.open("read")? else {
            return Ok(Vec::new());
        };
        let read = || {
            let mut all = connection.prepare(
                "SELECT path, adapter, renders, max(take.measured) FROM scene
                 JOIN take ON take.scene = scene.id
                 GROUP BY scene.id ORDER BY scene.seq DESC",
            )?;
            let rows = all.query_map([], |row| {
                Ok(SceneSummary {
                    path: row.get(0)?,
                    adapter: row.get(1)?,
                    renders: row.get(2)?,
                    measured: milliseconds(row.get(3)?),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.explain("read", error))
    }
}

impl Scene<'_> {
    /// Its takes, the newest first.
    #[must_use]
    pub fn takes(&self) -> &[RecalledTake] {
        &self.takes
    }

    /// What this take is to start from: its own costs, else those rendered with its settings, else
    /// the newest. Older takes are asked only for frames that are missing.
    pub fn recall(
        self,
        take: &Take,
        layers: &[&str],
        frames: &[i32],
    ) -> Result<Recalled, HistoryError> {
        let mut takes = self.takes.clone();
        takes.sort_by_key(|known| {
            let same_settings = known.take.settings == take.settings;
            (known.take != *take, !same_settings, -known.seq)
        });
        self.read(takes, |costs| costs.knows(layers, frames))
    }

    /// Everything that is known, the newest take first.
    pub fn recall_all(self) -> Result<Recalled, HistoryError> {
        let takes = self.takes.clone();
        self.read(takes, |_| false)
    }

    fn read(
        self,
        takes: Vec<RecalledTake>,
        is_enough: impl Fn(&Recollection) -> bool,
    ) -> Result<Recalled, HistoryError> {
        let explain = |error| self.history.explain("read", error);
        let mut costs = Recollection::default();
        let mut used = Vec::new();
        for take in takes {
            if is_enough(&costs) {
                break;
            }
            costs.add(take_costs(&self.connection, take.id).map_err(explain)?);
            used.push(take);
        }
        Ok(Recalled {
            hosts: hosts(&self.connection, self.id).map_err(explain)?,
            scene: self.summary,
            takes: used,
            costs,
        })
    }
}

fn takes(connection: &Connection, scene: i64) -> rusqlite::Result<Vec<RecalledTake>> {
    let mut all = connection.prepare(
        "SELECT id, seq, content, settings, bytes, modified, measured FROM take
         WHERE scene = ?1 ORDER BY seq DESC",
    )?;
    let rows = all.query_map([scene], |row| {
        Ok(RecalledTake {
            id: row.get(0)?,
            seq: row.get(1)?,
            take: Take {
                content: row.get(2)?,
                settings: row.get(3)?,
            },
            bytes: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
            modified: Timestamp::from_microsecond(row.get(5)?).unwrap_or(Timestamp::UNIX_EPOCH),
            measured: milliseconds(row.get(6)?),
        })
    })?;
    rows.collect()
}

fn take_costs(connection: &Connection, take: i64) -> rusqlite::Result<Costs> {
    let mut all = connection.prepare(
        "SELECT layer, frame, tile, cost_s, host, measured, first FROM cost
         WHERE take = ?1 AND cost_s > 0 ORDER BY layer, frame, tile",
    )?;
    let mut costs = Costs::new();
    let mut rows = all.query([take])?;
    while let Some(row) = rows.next()? {
        let known = Known {
            cost_s: row.get(3)?,
            host: row.get(4)?,
            measured: milliseconds(row.get(5)?),
            first: row.get(6)?,
            take: 0,
        };
        if !known.cost_s.is_finite() {
            continue;
        }
        let layer: String = row.get(0)?;
        let place = (row.get(1)?, row.get(2)?);
        costs.entry(layer).or_default().insert(place, known);
    }
    Ok(costs)
}

fn hosts(connection: &Connection, scene: i64) -> rusqlite::Result<Vec<RecalledHost>> {
    let mut all = connection.prepare(
        "SELECT name, slots, speed, tasks, load_s, loads FROM host
         WHERE scene = ?1 AND speed > 0 AND load_s >= 0 ORDER BY seq DESC, name, slots",
    )?;
    let rows = all.query_map([scene], |row| {
        Ok(RecalledHost {
            name: row.get(0)?,
            slots: row.get(1)?,
            speed: row.get(2)?,
            tasks: row.get(3)?,
            load_s: row.get(4)?,
            loads: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn milliseconds(since_1970: i64) -> Timestamp {
    Timestamp::from_millisecond(since_1970).unwrap_or(Timestamp::UNIX_EPOCH)
}
