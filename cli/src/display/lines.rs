//! Plain lines, for a log or a pipe: nothing is ever moved or overwritten.

use std::io::Write;

use framewright_core::event::{Event, Stamped};
use jiff::Timestamp;

use super::notices::{Loudness, Notice, Notices};
use super::tally::Tally;
use super::words::{count, rate, time};
use crate::printable::printable;

/// Tasks up to which each is told; above, a line a percent.
const TASKS_TOLD_MAX: u32 = 1000;

/// Writes lines.
pub(crate) struct Lines<W> {
    out: W,
    colours: bool,
    loudness: Loudness,
    notices: Notices,
    percent_told: u32,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W, loudness: Loudness, colours: bool) -> Self {
        Self {
            out,
            colours,
            loudness,
            notices: Notices::new(loudness),
            percent_told: 0,
        }
    }

    /// Tells an event; `tally` has it already.
    pub(crate) fn event(&mut self, stamped: &Stamped, tally: &Tally) {
        if let Some(notice) = self.notices.of(&stamped.event, tally) {
            self.tell(&notice);
        }
        if self.loudness == Loudness::Quiet {
            return;
        }
        if let Event::TaskDone {
            task,
            host,
            slot,
            render_s,
            ..
        } = &stamped.event
        {
            if tally.total <= TASKS_TOLD_MAX || self.loudness == Loudness::Verbose {
                let width = tally.total.to_string().len();
                let text = format!(
                    "{:>width$}/{}  {}  {host}/{slot}  {}",
                    tally.settled(),
                    tally.total,
                    printable(task),
                    time(*render_s)
                );
                self.tell(&Notice::Plain(text));
            } else {
                self.percent(stamped.time, tally);
            }
        }
        if let Event::Assembled {
            picture,
            pieces,
            seconds,
            seams,
            ..
        } = &stamped.event
            && seams.is_empty()
            && (tally.total <= TASKS_TOLD_MAX || self.loudness == Loudness::Verbose)
        {
            let of = count(u64::from(*pieces), "piece", "pieces");
            let picture = picture.to_string();
            let text = format!(
                "{}  assembled of {of}  {}",
                printable(&picture),
                time(*seconds)
            );
            self.tell(&Notice::Plain(text));
        }
    }

    fn percent(&mut self, now: Timestamp, tally: &Tally) {
        let percent = (u64::from(tally.settled()) * 100 / u64::from(tally.total.max(1))) as u32;
        if percent > self.percent_told {
            self.percent_told = percent;
            self.tell(&Notice::Plain(format!(
                "{percent:>3}%  {}",
                progress(tally, now)
            )));
        }
    }

    /// Tells a sentence. When nobody reads any more there is nobody to tell that.
    pub(crate) fn tell(&mut self, notice: &Notice) {
        let _ = writeln!(self.out, "{}", notice.painted(self.colours));
        let _ = self.out.flush();
    }
}

/// `120/300 frames, 2 failed, 41.2 a minute, 4m12s left`
pub(crate) fn progress(tally: &Tally, now: Timestamp) -> String {
    let assembled = tally.assembly.counts;
    let mut text = match assembled.total {
        0 => format!("{}/{} frames", tally.committed(), tally.total),
        total => format!(
            "{}/{} tasks, {}/{total} frames assembled",
            tally.committed(),
            tally.total,
            assembled.done
        ),
    };
    if !tally.failures.is_empty() {
        text.push_str(&format!(", {} failed", tally.failures.len()));
    }
    if let Some(per_minute) = tally.per_minute(now) {
        text.push_str(&format!(", {}", rate(per_minute)));
    }
    if let Some(left) = tally.eta_s(now) {
        text.push_str(&format!(", {} left", time(left)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::script::*;
    use super::*;
    use framewright_core::event::{CostsFrom, ReelKind};

    fn told(loudness: Loudness, events: &[Stamped]) -> String {
        let mut tally = Tally::default();
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out, loudness, false);
        for event in events {
            tally.apply(event);
            lines.event(event, &tally);
        }
        String::from_utf8(out).unwrap()
    }

    fn small_job() -> Vec<Stamped> {
        vec![
            at(0, started(3)),
            at(0, up("n1", 2)),
            at(0, sent(1, "n1", 0, &["a:1", "a:2", "a:3"])),
            at(2, loaded(1, "n1", 0, 2.0)),
            at(2, begun(1, "a:1", "n1", 0)),
            at(5, done(1, "a:1", "n1", 0, 3.0)),
            at(6, failed(1, "a:2", 1, "n1", 0)),
            at(6, begun(1, "a:3", "n1", 0)),
            at(7, Event::Stopping),
            at(9, done(1, "a:3", "n1", 0, 3.5)),
            at(9, given_up("a:2")),
            at(9, ended(1, "n1", 0)),
        ]
    }

    #[test]
    fn a_small_job_is_told_frame_by_frame() {
        insta::assert_snapshot!(told(Loudness::Normal, &small_job()), @r#"
        job 0198c0de: 3 tasks, on 2 slots
        1/3  a:1  n1/0  3.0s
        a:2: attempt 1 failed on n1/0: the renderer was ended by signal 11
        finishing 1 running frame; Ctrl-C again stops now
        go on later with: framewright render --resume 0198c0de
        2/3  a:3  n1/0  3.5s
        a:2: given up: no picture
        "#);
    }

    #[test]
    fn what_a_job_s_costs_stand_on_is_told_as_it_begins() {
        let mut event = started(3);
        if let Event::JobStarted { history, .. } = &mut event {
            *history = Some(CostsFrom {
                measured: Timestamp::UNIX_EPOCH,
                frames_known: 2,
                same_scene: true,
                same_settings: false,
            });
        }
        let events = [at(0, event)];
        let text = told(Loudness::Normal, &events);
        let (job, costs) = text.split_once('\n').unwrap();
        assert_eq!(job, "job 0198c0de: 3 tasks, on 2 slots");
        // The hour is the reader's own.
        assert!(
            costs.starts_with("costs from 2 frames rendered on 19"),
            "{text}"
        );
        assert!(costs.ends_with(" (with other settings)\n"), "{text}");
        assert_eq!(told(Loudness::Quiet, &events), "");
    }

    fn restless_hosts() -> Vec<Stamped> {
        vec![
            at(0, started(3)),
            at(
                0,
                Event::HostJoined {
                    host: "n4".into(),
                    slots: 4,
                },
            ),
            at(0, up("n1", 2)),
            at(0, staged("n1", 1_288_490_189, 8.1)),
            at(0, staged("n2", 325_058_560, 2.0)),
            at(0, staged("n3", 0, 0.4)),
            at(0, sent(1, "n1", 0, &["a:1", "a:2"])),
            at(0, sent(2, "n1", 1, &["a:3"])),
            at(2, begun(1, "a:1", "n1", 0)),
            at(2, begun(2, "a:3", "n1", 1)),
            at(3, silent("n1")),
            at(3, silent("n3")),
            at(15, heard("n1", 12.0)),
            at(16, slot_waiting("n2", 0, &["anna (job x)"])),
            at(16, slot_waiting("n2", 1, &["anna (job x)"])),
            at(17, slot_waiting("n2", 0, &["anna (job x)", "ben (job y)"])),
            at(18, leased("n2", 0)),
            at(19, closed("n1", "its disk is full")),
            at(20, Event::HostOpened { host: "n1".into() }),
            at(21, closed("n1", "it is drained")),
            at(22, Event::HostDrained { host: "n1".into() }),
        ]
    }

    #[test]
    fn hosts_that_come_and_go_and_wait_are_told() {
        insta::assert_snapshot!(told(Loudness::Normal, &restless_hosts()), @r#"
        job 0198c0de: 3 tasks, on 2 slots
        n4 joins the job with 4 slots
        n1 staged 1.2 GiB in 8.1s
        n2 staged 1.2 GiB (310 MiB sent) in 2.0s
        n1 is silent: the connection was reset; its 2 frames go on there
        n3 is silent: the connection was reset
        n1 is back after 12s
        n2 waits for a slot: held by anna (job x)
        n2 waits for a slot: held by anna (job x), ben (job y)
        n1 takes nothing new: its disk is full
        n1 takes frames again
        n1 takes nothing new: it is drained
        n1 is drained: nothing of the job is there
        "#);
        assert_eq!(told(Loudness::Quiet, &restless_hosts()), "");
        let all = told(Loudness::Verbose, &restless_hosts());
        assert!(
            all.contains("n3: 12 files are there already (1.2 GiB), looked at in 0.4s\n"),
            "{all}"
        );
        assert!(all.contains("n2/0: the machine's slot is ours\n"), "{all}");
    }

    #[test]
    fn what_is_assembled_is_told_and_where_it_does_not_fit() {
        let failed = |again| Event::AssemblyFailed {
            picture: whole(2),
            task: Some("all:2:0,0".into()),
            verdict: "piece".into(),
            why: "tile all:2:0,0 is broken: it ends within a block".into(),
            again,
        };
        let events = [
            at(0, started(6)),
            at(1, assembling(1, 2)),
            at(2, assembled(1, Vec::new())),
            // The task that is rendered again is told in its own line.
            at(3, failed(true)),
            at(4, failed(false)),
            at(
                5,
                Event::Seam {
                    picture: whole(3),
                    seam: seam(3),
                    again: false,
                },
            ),
            at(5, assembled(3, vec![seam(3)])),
            at(
                6,
                Event::ReelBegun {
                    kind: ReelKind::Film,
                    frames: 3,
                },
            ),
            at(
                7,
                Event::ReelFailed {
                    kind: ReelKind::Film,
                    path: "/out/a.mp4".into(),
                    verdict: "assembly".into(),
                    why: "frame 2 has no picture that is right".into(),
                },
            ),
        ];
        insta::assert_snapshot!(told(Loudness::Normal, &events), @r#"
        job 0198c0de: 6 tasks, on 2 slots
        all:1  assembled of 2 pieces  1.5s
        all:2: not assembled: tile all:2:0,0 is broken: it ends within a block
        all:3: assembled with a seam: all:3:0,0 and all:3:1,0 differ by 0.5 in R at pixel 12,40 where both are rendered (0 is allowed)
        making the film of 3 frames
        no film: frame 2 has no picture that is right
        "#);
        let mut tally = Tally::default();
        events.iter().for_each(|event| tally.apply(event));
        let counts = tally.assembly.counts;
        assert_eq!((counts.done, counts.failed), (1, 2));
        let names: Vec<(&str, u32)> = tally
            .assembly
            .failures
            .iter()
            .map(|failure| (failure.task.as_str(), failure.attempts))
            .collect();
        assert_eq!(names, [("all:2", 2), ("all:3", 1), ("film", 1)]);
    }

    #[test]
    fn quiet_tells_failures_only() {
        insta::assert_snapshot!(told(Loudness::Quiet, &small_job()), @r#"
        a:2: attempt 1 failed on n1/0: the renderer was ended by signal 11
        finishing 1 running frame; Ctrl-C again stops now
        go on later with: framewright render --resume 0198c0de
        a:2: given up: no picture
        "#);
    }

    #[test]
    fn verbose_tells_segments_and_loads() {
        insta::assert_snapshot!(told(Loudness::Verbose, &small_job()), @r#"
        job 0198c0de: 3 tasks, on 2 slots
        n1 is up with 2 slots
        n1/0: segment 1 sent: a:1 to a:3 (3 tasks)
        n1/0: scene loaded in 2.0s
        1/3  a:1  n1/0  3.0s
        a:2: attempt 1 failed on n1/0: the renderer was ended by signal 11
        finishing 1 running frame; Ctrl-C again stops now
        go on later with: framewright render --resume 0198c0de
        2/3  a:3  n1/0  3.5s
        a:2: given up: no picture
        n1/0: segment 1 ended
        "#);
    }

    #[test]
    fn a_large_job_is_told_percent_by_percent() {
        let mut events = vec![at(0, started(5000)), at(0, begun(1, "a:1", "n1", 0))];
        events.extend((1..=5000).map(|n| at(n, done(1, &format!("a:{n}"), "n1", 0, 1.0))));
        let text = told(Loudness::Normal, &events);
        assert_eq!(text.lines().count(), 101, "{text}");
        assert_eq!(
            text.lines().nth(50),
            Some(" 50%  2500/5000 frames, 60.0 a minute, 41m40s left")
        );
    }

    #[test]
    fn a_scene_that_fails_everywhere_does_not_flood() {
        let mut events = vec![at(0, started(5000))];
        events.extend((1..=5000).map(|n| at(n, failed(1, &format!("a:{n}"), 1, "n1", 0))));
        let text = told(Loudness::Normal, &events);
        assert_eq!(text.lines().count(), 201);
        assert!(
            text.lines()
                .last()
                .unwrap()
                .ends_with("(further failures are counted, and kept in the job's logs)")
        );
    }

    #[test]
    fn a_job_that_lost_its_last_host_does_not_flood() {
        let given_up = |n: u32, why: &str| Event::TaskGivenUp {
            task: format!("a:{n}"),
            why: why.to_owned(),
        };
        let mut events = vec![at(0, given_up(1, "it is broken"))];
        events.extend((2..=50).map(|n| at(1, given_up(n, "every host is gone"))));
        events.push(at(2, given_up(51, "it is broken")));
        insta::assert_snapshot!(told(Loudness::Quiet, &events), @r#"
        a:1: given up: it is broken
        a:2: given up: every host is gone
        a:3: given up: every host is gone
        a:4: given up: every host is gone
        further tasks are given up as well: every host is gone
        a:51: given up: it is broken
        "#);
    }

    #[test]
    fn what_a_renderer_says_cannot_break_a_line() {
        let mut event = failed(1, "a:1", 1, "n1", 0);
        if let Event::TaskFailed { why, .. } = &mut event {
            *why = "bad\n\u{1b}[2Jthing".into();
        }
        let text = told(Loudness::Normal, &[at(0, event)]);
        assert_eq!(
            text,
            "a:1: attempt 1 failed on n1/0: bad\\n\\u{1b}[2Jthing\n"
        );
    }
}
