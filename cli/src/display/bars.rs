//! Bars, for a terminal: one for the job, one line for each slot, and above them what has to stay
//! to be read.

use framewright_core::event::Stamped;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::lines::progress;
use super::notices::{Loudness, Notice, Notices};
use super::standings::{Hindrance, held_by};
use super::tally::{Doing, Slot, SlotName, Tally, seconds};
use super::words::{clock, cut};
use crate::printable::printable;

/// Redraws a second, at most: enough to look alive, little enough for a remote terminal.
pub(crate) const DRAWS_A_SECOND: u8 = 10;
/// Letters of a slot's own bar.
const SLOT_BAR: usize = 12;
/// Slot lines that are worth the terminal even where it is high.
const SLOT_LINES_MAX: usize = 64;
/// Longest host and task shown.
const NAME_LETTERS_MAX: usize = 24;

/// The bars.
pub(crate) struct Bars {
    multi: MultiProgress,
    overall: ProgressBar,
    slots: Vec<ProgressBar>,
    more: Option<ProgressBar>,
    /// What is done beside rendering.
    beside: Option<ProgressBar>,
    notices: Notices,
    colours: bool,
    opening: Opening,
}

/// What is done before there is a job. Looking into a large scene takes minutes, and a terminal
/// that stays dark that long looks dead.
pub(crate) struct Opening {
    /// `reading shot.blend`
    pub(crate) what: String,
    /// Since when.
    pub(crate) since: Timestamp,
}

impl Bars {
    pub(crate) fn new(
        target: ProgressDrawTarget,
        loudness: Loudness,
        colours: bool,
        opening: Opening,
    ) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let overall = multi.add(ProgressBar::new(0));
        Self {
            multi,
            overall,
            slots: Vec::new(),
            more: None,
            beside: None,
            notices: Notices::new(loudness),
            colours,
            opening,
        }
    }

    /// Tells an event; `tally` has it already. The bars follow at the next [`Bars::draw`].
    pub(crate) fn event(&mut self, stamped: &Stamped, tally: &Tally) {
        if let Some(notice) = self.notices.of(&stamped.event, tally) {
            self.tell(&notice);
        }
    }

    /// Writes a sentence above the bars, where it stays.
    pub(crate) fn tell(&self, notice: &Notice) {
        // A terminal that is gone is nothing to stop a render for.
        let _ = self.multi.println(notice.painted(self.colours));
    }

    /// Draws what the tally says, on a terminal of this size.
    pub(crate) fn draw(&mut self, tally: &Tally, now: Timestamp, columns: u16, rows: u16) {
        if tally.job.is_none() {
            let clock = clock(seconds(self.opening.since, now));
            self.overall.set_style(line_style());
            self.overall
                .set_message(format!("{}  {clock}", printable(&self.opening.what)));
            return;
        }
        self.overall.set_style(overall_style(columns));
        self.overall.set_length(u64::from(tally.total));
        self.overall.set_position(u64::from(tally.settled()));
        self.overall.set_message(progress(tally, now));
        let doing = tally.assembly.doing();
        let layout = layout(
            tally.slots.len(),
            rows.saturating_sub(doing.is_some().into()),
        );
        self.fit(layout);
        self.show_beside(doing, now);
        let widths = widths(tally);
        for (bar, (name, slot)) in self.slots.iter().zip(&tally.slots) {
            let hindrance = tally.hindrance(name);
            bar.set_message(slot_line(name, slot, hindrance, now, widths));
        }
        if let Some(more) = &self.more {
            more.set_message(format!("  +{} more slots", layout.hidden));
        }
    }

    /// As many lines as there is room for.
    fn fit(&mut self, layout: Layout) {
        while self.slots.len() > layout.shown {
            let Some(bar) = self.slots.pop() else { break };
            self.multi.remove(&bar);
        }
        while self.slots.len() < layout.shown {
            let bar = ProgressBar::new(0).with_style(line_style());
            self.slots.push(match self.slots.last() {
                Some(last) => self.multi.insert_after(last, bar),
                None => self.multi.insert_after(&self.overall, bar),
            });
        }
        match (&self.more, layout.hidden > 0) {
            (None, true) => {
                let bar = ProgressBar::new(0).with_style(line_style());
                self.more = Some(match self.slots.last() {
                    Some(last) => self.multi.insert_after(last, bar),
                    None => self.multi.insert_after(&self.overall, bar),
                });
            }
            (Some(more), false) => {
                self.multi.remove(more);
                self.more = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// A last line while pictures are put together, or a film is made.
    fn show_beside(&mut self, doing: Option<(String, Timestamp)>, now: Timestamp) {
        let Some((what, since)) = doing else {
            if let Some(beside) = self.beside.take() {
                self.multi.remove(&beside);
            }
            return;
        };
        let multi = &self.multi;
        let line = || multi.add(ProgressBar::new(0).with_style(line_style()));
        let beside = self.beside.get_or_insert_with(line);
        let clock = clock(seconds(since, now));
        beside.set_message(format!("  {}  {clock}", printable(&what)));
    }

    /// Takes the bars away; what was told above them stays.
    pub(crate) fn end(self) {
        let _ = self.multi.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    shown: usize,
    hidden: usize,
}

/// Slot lines for a terminal of that many rows; one is the job's bar, one stays free for the
/// cursor, and one says how many slots are not shown, if any.
fn layout(slots: usize, rows: u16) -> Layout {
    let room = usize::from(rows).saturating_sub(2).min(SLOT_LINES_MAX);
    if slots <= room {
        return Layout {
            shown: slots,
            hidden: 0,
        };
    }
    let shown = room.saturating_sub(1);
    Layout {
        shown,
        hidden: slots - shown,
    }
}

/// Widths of the columns for host and task.
fn widths(tally: &Tally) -> (usize, usize) {
    let widest =
        |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).min(NAME_LETTERS_MAX);
    let hosts = widest(
        &mut tally
            .slots
            .keys()
            .map(|name| name.to_string().chars().count()),
    );
    let tasks = widest(
        &mut tally
            .slots
            .values()
            .map(|slot| task_of(&slot.doing).chars().count()),
    );
    (hosts, tasks)
}

fn task_of(doing: &Doing) -> &str {
    match doing {
        Doing::Waiting | Doing::Loading => "",
        Doing::Rendering { task, .. } | Doing::Verifying { task } => task,
    }
}

/// `  node01/0  rendering  beauty:17  ━━━━━━──────  52%  0:12`
fn slot_line(
    name: &SlotName,
    slot: &Slot,
    hindrance: Option<Hindrance<'_>>,
    now: Timestamp,
    (host_width, task_width): (usize, usize),
) -> String {
    let (mut word, fraction) = match &slot.doing {
        Doing::Waiting => ("waiting", None),
        Doing::Loading => ("loading", None),
        Doing::Rendering { fraction, .. } => ("rendering", Some(fraction.clamp(0.0, 1.0))),
        Doing::Verifying { .. } => ("verifying", Some(1.0)),
    };
    let host = cut(&name.to_string(), host_width);
    let task = cut(&printable(task_of(&slot.doing)), task_width);
    let gauge = match fraction {
        Some(fraction) => {
            let full = (fraction * SLOT_BAR as f32) as usize;
            format!(
                "{}{} {:>3}%",
                "━".repeat(full),
                "─".repeat(SLOT_BAR - full),
                (fraction * 100.0) as u32
            )
        }
        None => " ".repeat(SLOT_BAR + 5),
    };
    let mut since = slot.since;
    let why = match hindrance {
        None => String::new(),
        Some(Hindrance::Silent { since: silent }) => {
            (word, since) = ("silent", silent);
            String::new()
        }
        Some(Hindrance::Held { by }) => format!("  {}", held_by(by)),
        Some(Hindrance::Closed { why }) => {
            word = "closed";
            format!("  {}", printable(why))
        }
    };
    let clock = clock(seconds(since, now));
    format!("  {host:<host_width$}  {word:<9}  {task:<task_width$}  {gauge}  {clock:>5}{why}")
}

fn overall_style(columns: u16) -> ProgressStyle {
    let template = match columns {
        0..60 => "{wide_msg}",
        60..100 => "{bar:16} {wide_msg}",
        100.. => "{bar:32} {wide_msg}",
    };
    style(template).progress_chars("━╸─")
}

fn line_style() -> ProgressStyle {
    style("{wide_msg}")
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates are constants, each drawn in a test")
}

#[cfg(test)]
mod tests {
    use super::super::script::{
        assembled, assembling, at, begun, closed, done, failed, heard, leased, loaded, progress,
        sent, silent, slot_waiting, started, time, up, verifying,
    };
    use super::*;
    use framewright_core::event::Event;
    use indicatif::InMemoryTerm;

    struct Screen {
        term: InMemoryTerm,
        bars: Bars,
        tally: Tally,
        columns: u16,
        rows: u16,
    }

    impl Screen {
        fn new(rows: u16, columns: u16) -> Self {
            let term = InMemoryTerm::new(rows, columns);
            let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
            Self {
                term,
                bars: Bars::new(target, Loudness::Normal, false, opening()),
                tally: Tally::default(),
                columns,
                rows,
            }
        }

        fn after(&mut self, now: i64, events: &[Stamped]) -> String {
            for event in events {
                self.tally.apply(event);
                self.bars.event(event, &self.tally);
            }
            self.bars
                .draw(&self.tally, time(now), self.columns, self.rows);
            self.bars.overall.force_draw();
            self.term.contents()
        }
    }

    fn opening() -> Opening {
        Opening {
            what: "reading shot.blend".to_owned(),
            since: time(0),
        }
    }

    #[test]
    fn before_there_is_a_job_the_scene_is_being_read() {
        let mut screen = Screen::new(12, 100);
        assert_eq!(screen.after(75, &[]), "reading shot.blend  1:15");
        let text = screen.after(76, &[at(76, started(300))]);
        assert!(!text.contains("reading"), "{text}");
    }

    fn running_job() -> Vec<Stamped> {
        vec![
            at(0, started(300)),
            at(0, up("node01", 2)),
            at(0, up("node02", 2)),
            at(0, sent(1, "node01", 0, &["beauty:1", "beauty:2"])),
            at(0, sent(2, "node01", 1, &["beauty:150"])),
            at(0, sent(3, "node02", 0, &["beauty:300"])),
            at(8, loaded(1, "node01", 0, 8.0)),
            at(8, loaded(2, "node01", 1, 8.0)),
            at(8, begun(1, "beauty:1", "node01", 0)),
            at(8, begun(2, "beauty:150", "node01", 1)),
            at(20, done(1, "beauty:1", "node01", 0, 12.0)),
            at(20, begun(1, "beauty:2", "node01", 0)),
            at(26, progress(1, "beauty:2", "node01", 0, 0.52)),
            at(27, verifying(2, "beauty:150", "node01", 1)),
        ]
    }

    #[test]
    fn a_running_job_shows_what_each_slot_does() {
        let mut screen = Screen::new(12, 100);
        insta::assert_snapshot!(screen.after(28, &running_job()), @r#"
        job 0198c0de: 300 tasks, on 2 slots
        ╸─────────────────────────────── 1/300 frames, 5.0 a minute, 59m48s left
          node01/0  rendering  beauty:2    ━━━━━━──────  52%   0:08
          node01/1  verifying  beauty:150  ━━━━━━━━━━━━ 100%   0:01
          node02/0  loading                                    0:28
          node02/1  waiting                                    0:28
        "#);
    }

    #[test]
    fn a_slot_that_is_kept_from_work_says_by_what() {
        let mut screen = Screen::new(16, 100);
        let mut events = running_job();
        events.extend([
            at(26, silent("node01")),
            at(27, slot_waiting("node02", 1, &["anna (job x)"])),
            at(27, up("node03", 1)),
            at(27, closed("node03", "its disk is full")),
        ]);
        insta::assert_snapshot!(screen.after(38, &events), @r#"
        job 0198c0de: 300 tasks, on 2 slots
        node01 is silent: the connection was reset; its 2 frames go on there
        node02 waits for a slot: held by anna (job x)
        node03 takes nothing new: its disk is full
        ╸─────────────────────────────── 1/300 frames, 5.0 a minute, 59m48s left
          node01/0  silent     beauty:2    ━━━━━━──────  52%   0:12
          node01/1  silent     beauty:150  ━━━━━━━━━━━━ 100%   0:12
          node02/0  loading                                    0:38
          node02/1  waiting                                    0:38  held by anna (job x)
          node03/0  closed                                     0:11  its disk is full
        "#);
        // Heard again, leased, and open.
        let text = screen.after(
            40,
            &[
                at(39, heard("node01", 13.0)),
                at(39, leased("node02", 1)),
                at(
                    39,
                    Event::HostOpened {
                        host: "node03".into(),
                    },
                ),
            ],
        );
        let bars = text.lines().rev().take(5);
        for line in bars {
            assert!(
                !line.contains("silent") && !line.contains("held") && !line.contains("closed"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_picture_that_is_put_together_has_a_line_as_long_as_that_takes() {
        let mut screen = Screen::new(12, 100);
        let mut events = running_job();
        events.push(at(27, assembling(7, 100)));
        let text = screen.after(28, &events);
        let last = text.lines().last().expect("a line");
        assert_eq!(last, "  assembling all:7 of 100 pieces  0:01");
        let text = screen.after(29, &[at(29, assembled(7, Vec::new()))]);
        assert!(!text.contains("assembling"), "{text}");
    }

    #[test]
    fn a_failure_stays_above_the_bars() {
        let mut screen = Screen::new(12, 100);
        let mut events = running_job();
        events.push(at(28, failed(2, "beauty:150", 1, "node01", 1)));
        screen.after(28, &events);
        insta::assert_snapshot!(screen.after(30, &[at(30, begun(4, "beauty:151", "node01", 1))]), @r#"
        job 0198c0de: 300 tasks, on 2 slots
        beauty:150: attempt 1 failed on node01/1: the renderer was ended by signal 11
        ╸─────────────────────────────── 1/300 frames, 5.0 a minute, 59m48s left
          node01/0  rendering  beauty:2    ━━━━━━──────  52%   0:10
          node01/1  rendering  beauty:151  ────────────   0%   0:00
          node02/0  loading                                    0:30
          node02/1  waiting                                    0:30
        "#);
    }

    #[test]
    fn the_first_ctrl_c_says_what_happens_and_how_to_go_on() {
        let mut screen = Screen::new(12, 100);
        let mut events = running_job();
        events.push(at(28, Event::Stopping));
        let text = screen.after(28, &events);
        assert!(
            text.contains("finishing 2 running frames; Ctrl-C again stops now"),
            "{text}"
        );
        assert!(
            text.contains("framewright render --resume 0198c0de"),
            "{text}"
        );
    }

    #[test]
    fn many_slots_are_cut_to_the_terminal_s_height() {
        let mut screen = Screen::new(8, 80);
        let text = screen.after(5, &[at(0, started(300)), at(0, up("node01", 17))]);
        assert!(text.lines().count() <= 8, "{text}");
        assert!(text.contains("+12 more slots"), "{text}");
        let text = screen.after(
            6,
            &[at(
                6,
                Event::HostLost {
                    host: "node01".into(),
                    why: "x".into(),
                },
            )],
        );
        assert!(!text.contains("more slots"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_never_wraps() {
        let mut screen = Screen::new(12, 30);
        let text = screen.after(28, &running_job());
        assert!(
            text.lines().all(|line| line.chars().count() <= 30),
            "{text}"
        );
        // The job's notice may be longer than the line; the bars take one line each.
        assert_eq!(
            text.lines().filter(|line| line.contains("node0")).count(),
            4,
            "{text}"
        );
    }

    #[test]
    fn the_height_is_shared_out() {
        assert_eq!(
            layout(4, 24),
            Layout {
                shown: 4,
                hidden: 0
            }
        );
        assert_eq!(
            layout(22, 24),
            Layout {
                shown: 22,
                hidden: 0
            }
        );
        assert_eq!(
            layout(23, 24),
            Layout {
                shown: 21,
                hidden: 2
            }
        );
        assert_eq!(
            layout(5, 2),
            Layout {
                shown: 0,
                hidden: 5
            }
        );
        assert_eq!(
            layout(1000, 500),
            Layout {
                shown: 63,
                hidden: 937
            }
        );
    }
}
