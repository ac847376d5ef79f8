//! Writing down what a run measured.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{History, HistoryError, Limits, SceneKey};
use crate::names::TilePlace;
use crate::store::SceneIdentity;

/// Tasks from which on a host's speed of one run stands by itself; below that, a speed that more
/// tasks stand for is kept.
pub(super) const SPEED_TASKS_MIN: u32 = 4;

/// What one run of a job measured.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// Which scene.
    pub scene: SceneKey<'a>,
    /// The scene's file as it was rendered.
    pub identity: &'a SceneIdentity,
    /// A hash of what else changes its costs.
    pub settings: &'a str,
    /// When the run ended.
    pub at: Timestamp,
    /// Tasks that this run rendered, in order.
    pub costs: Vec<TaskCost<'a>>,
    /// Hosts that it rendered on.
    pub hosts: Vec<HostMeasured<'a>>,
}

/// What a task cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskCost<'a> {
    /// Its layer; empty where the scene is rendered as it is.
    pub layer: &'a str,
    /// Its frame.
    pub frame: i32,
    /// Its tile, where frames are split.
    pub tile: Option<TilePlace>,
    /// Seconds of rendering, times the speed of the host.
    pub cost_s: f64,
    /// Where it was rendered.
    pub host: &'a str,
    /// Whether it was the first after a load, and may have cost more for it.
    pub first: bool,
}

/// What a host turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostMeasured<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its slots, which share its cores: with another number of them it has another speed.
    pub slots: u32,
    /// Its speed, as learned.
    pub speed: f64,
    /// Tasks that it rendered in this run.
    pub tasks: u32,
    /// Whether the run began with the speed that is remembered, so that both stand for it.
    pub goes_on: bool,
    /// Seconds of loading in this run, summed.
    pub load_s: f64,
    /// How often it loaded in this run.
    pub loads: u32,
}

impl History {
    /// Writes a run down: all of it, or nothing. A run that rendered nothing leaves nothing.
    pub fn record(&self, run: &Measured<'_>) -> Result<(), HistoryError> {
        if !run.costs.iter().any(TaskCost::is_sound) {
            return Ok(());
        }
        let mut connection = self.open_or_make()?;
        write(&mut connection, run, self.limits).map_err(|error| self.explain("write", error))
    }
}

impl TaskCost<'_> {
    /// A clock that was set back makes no cost.
    fn is_sound(&self) -> bool {
        self.cost_s.is_finite() && self.cost_s > 0.0
    }
}

fn write(connection: &mut Connection, run: &Measured<'_>, limits: Limits) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: Option<i64> =
        transaction.query_row("SELECT max(seq) FROM scene", [], |row| row.get(0))?;
    let seq = last.unwrap_or(0) + 1;
    let scene = put_scene(&transaction, run, seq)?;
    let take = put_take(&transaction, run, scene, seq)?;
    put_costs(&transaction, run, take, limits.take_costs)?;
    for host in &run.hosts {
        put_host(&transaction, host, scene, seq)?;
    }
    evict(&transaction, scene, take, limits)?;
    transaction.commit()
}

fn put_scene(on: &Transaction<'_>, run: &Measured<'_>, seq: i64) -> rusqlite::Result<i64> {
    on.query_row(
        "INSERT INTO scene (path, adapter, renders, seq) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (path, adapter) DO UPDATE SET renders = renders + 1, seq = excluded.seq
         RETURNING id",
        params![run.scene.path, run.scene.adapter, seq],
        |row| row.get(0),
    )
}

fn put_take(
    on: &Transaction<'_>,
    run: &Measured<'_>,
    scene: i64,
    seq: i64,
) -> rusqlite::Result<i64> {
    on.query_row(
        "INSERT INTO take (scene, content, settings, bytes, modified, measured, costs, seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)
         ON CONFLICT (scene, content, settings) DO UPDATE SET
             bytes = excluded.bytes, modified = excluded.modified,
             measured = excluded.measured, seq = excluded.seq
         RETURNING id",
        params![
            scene,
            run.identity.hash,
            run.settings,
            i64::try_from(run.identity.bytes).unwrap_or(i64::MAX),
            run.identity.modified.as_microsecond(),
            run.at.as_millisecond(),
            seq
        ],
        |row| row.get(0),
    )
}

fn put_costs(
    on: &Transaction<'_>,
    run: &Measured<'_>,
    take: i64,
    costs_max: u32,
) -> rusqlite::Result<()> {
    let mut put = on.prepare(
        // What was measured without a load before it is known better than with one.
        "INSERT INTO cost (take, layer, frame, tile, cost_s, host, measured, first)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (take, layer, frame, tile) DO UPDATE SET
             cost_s = excluded.cost_s, host = excluded.host,
             measured = excluded.measured, first = excluded.first
         WHERE excluded.first <= cost.first",
    )?;
    // An even sample of what would be too much: neighbours tell what is left out.
    let stride = run.costs.len().div_ceil(costs_max as usize).max(1);
    let sound = run
        .costs
        .iter()
        .step_by(stride)
        .filter(|cost| cost.is_sound());
    for cost in sound {
        put.execute(params![
            take,
            cost.layer,
            cost.frame,
            tile_text(cost.tile),
            cost.cost_s,
            cost.host,
            run.at.as_millisecond(),
            cost.first
        ])?;
    }
    let count = "SELECT count(*) FROM cost WHERE take = ?1";
    let kept: i64 = on.query_row(count, [take], |row| row.get(0))?;
    if kept > i64::from(costs_max) {
        on.execute(
            "DELETE FROM cost WHERE take = ?1 AND (layer, frame, tile) IN (
                 SELECT layer, frame, tile FROM cost WHERE take = ?1
                 ORDER BY measured, layer, frame, tile LIMIT ?2)",
            params![take, kept - i64::from(costs_max)],
        )?;
    }
    on.execute(
        "UPDATE take SET costs = (SELECT count(*) FROM cost WHERE take = ?1) WHERE id = ?1",
        [take],
    )?;
    Ok(())
}

fn put_host(
    on: &Transaction<'_>,
    host: &HostMeasured<'_>,
    scene: i64,
    seq: i64,
) -> rusqlite::Result<()> {
    let known = on
        .query_row(
            "SELECT speed, tasks, load_s, loads FROM host
             WHERE scene = ?1 AND name = ?2 AND slots = ?3",
            params![scene, host.name, host.slots],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let (known_speed, known_tasks, known_load_s, known_loads): (f64, u32, f64, u32) =
        known.unwrap_or_default();
    let (speed, tasks) = if host.goes_on {
        (host.speed, known_tasks.saturating_add(host.tasks))
    } else if host.tasks >= SPEED_TASKS_MIN.min(known_tasks) {
        (host.speed, host.tasks)
    } else {
        (known_speed, known_tasks)
    };
    // The newest run tells best how long the scene takes to load, as it is now.
    let (load_s, loads) = if host.loads > 0 {
        (host.load_s / f64::from(host.loads), host.loads)
    } else {
        (known_load_s, known_loads)
    };
    if !(speed.is_finite() && speed > 0.0 && load_s.is_finite() && load_s >= 0.0) {
        return Ok(());
    }
    on.execute(
        "INSERT OR REPLACE INTO host (scene, name, slots, speed, tasks, load_s, loads, seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            scene, host.name, host.slots, speed, tasks, load_s, loads, seq
        ],
    )?;
    Ok(())
}

/// Keeps the file within its limits; what was just written stays.
fn evict(on: &Transaction<'_>, scene: i64, take: i64, limits: Limits) -> rusqlite::Result<()> {
    on.execute(
        "DELETE FROM take WHERE scene = ?1 AND id NOT IN (
             SELECT id FROM take WHERE scene = ?1 ORDER BY seq DESC LIMIT ?2)",
        params![scene, limits.takes],
    )?;
    on.execute(
        "DELETE FROM host WHERE scene = ?1 AND (name, slots) NOT IN (
             SELECT name, slots FROM host WHERE scene = ?1 ORDER BY seq DESC, name, slots LIMIT ?2)",
        params![scene, limits.hosts],
    )?;
    on.execute(
        "DELETE FROM scene WHERE id NOT IN (SELECT id FROM scene ORDER BY seq DESC LIMIT ?1)",
        [limits.scenes],
    )?;
    on.execute(
        "DELETE FROM take WHERE id <> ?1 AND id IN (
             SELECT id FROM (SELECT id, sum(costs) OVER (ORDER BY seq DESC, id DESC) AS all_newer FROM take)
             WHERE all_newer > ?2)",
        params![take, limits.costs],
    )?;
    on.execute(
        "DELETE FROM scene WHERE id NOT IN (SELECT scene FROM take)",
        [],
    )?;
    Ok(())
}

/// `COLUMN,ROW`; empty for a whole frame.
pub(super) fn tile_text(tile: Option<TilePlace>) -> String {
    tile.map_or_else(String::new, |tile| format!("{},{}", tile.column, tile.row))
}
