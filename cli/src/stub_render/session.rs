//! The renderer as a process that is spoken to: orders come in as JSON lines, reports go out as
//! lines that begin with `@@FW `.
//!
//! ```text
//! @@FW loaded
//! @@FW begun SEGMENT TASK
//! @@FW progress SEGMENT TASK FRACTION
//! @@FW wrote SEGMENT TASK                  the picture is written, the task is done
//! @@FW done SEGMENT TASK                   the task is done, there is no picture
//! @@FW failed SEGMENT TASK VERDICT WHY     the task failed, the renderer goes on
//! @@FW kept SEGMENT COUNT                  answer to a cut, counted from the first task sent
//! @@FW not-sticky                          this scene takes no session: use --tasks
//! @@FW error {"message":…,"hint":…}        the renderer ends, nothing was rendered since
//! ```
//!
//! A thread reads orders so that a cut is answered in mid-frame; all else happens on one thread,
//! in order. Invariant: a task that has begun is never cut away. When standard input ends, its
//! owner is gone and the renderer leaves at once, in mid-frame too (the `hang` fault excepted).
//! Reports are buffered while there is work and passed on before every wait.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Instant;

use super::render::{Desk, Leave, Renderer, Report};
use super::task::{Cut, LINE_BYTES_MAX, Order, Task, parse};

/// What every line of the protocol begins with.
pub const MARK: &str = "@@FW";

/// Tasks that may wait; more are a broken order.
const QUEUE_MAX: usize = 1_000_000;
/// Orders handed over in one go.
const BATCH_MAX: usize = 1024;
/// Batches between the reading thread and the rendering one.
const BATCHES_MAX: usize = 16;
/// Segments whose begun tasks are remembered for a late cut.
const SEGMENTS_MAX: usize = 1024;
/// Exit code for orders that cannot be read.
const BAD_ORDER: Leave = Leave(2);

/// What comes from the reading thread; the end of input is the end of the channel.
type Batch = Result<Vec<Order>, String>;

/// The far end of a conversation in protocol lines.
pub struct Session<W: Write> {
    out: W,
    errors: Box<dyn Write>,
    orders: Receiver<Batch>,
    /// Keeps the channel open where no thread reads.
    _no_reader: Option<SyncSender<Batch>>,
    queue: VecDeque<Task>,
    /// How many tasks of a segment were begun.
    begun: BTreeMap<u64, u32>,
}

impl<W: Write> Session<W> {
    /// Orders are read from `input` until it ends.
    pub fn reading(input: impl Read + Send + 'static, out: W, errors: Box<dyn Write>) -> Self {
        let (sender, orders) = sync_channel(BATCHES_MAX);
        std::thread::spawn(move || read_orders(BufReader::new(input), &sender));
        Self {
            out,
            errors,
            orders,
            _no_reader: None,
            queue: VecDeque::new(),
            begun: BTreeMap::new(),
        }
    }

    /// All orders are given in advance.
    pub fn given(tasks: Vec<Task>, out: W, errors: Box<dyn Write>) -> Self {
        let (sender, orders) = sync_channel(BATCHES_MAX);
        Self {
            out,
            errors,
            orders,
            _no_reader: Some(sender),
            queue: tasks.into(),
            begun: BTreeMap::new(),
        }
    }

    /// Loads, then renders until the orders end.
    pub fn serve(&mut self, renderer: &Renderer, begin: Instant) -> Leave {
        let Err(leave) = self.work(renderer, begin);
        // Where nobody listens, there is nobody to tell.
        let _ = self.out.flush();
        leave
    }

    fn work(
        &mut self,
        renderer: &Renderer,
        begin: Instant,
    ) -> Result<std::convert::Infallible, Leave> {
        renderer.load(begin, self)?;
        loop {
            match self.orders.try_recv() {
                Ok(batch) => self.take(batch)?,
                Err(TryRecvError::Disconnected) => return Err(Leave(0)),
                Err(TryRecvError::Empty) => match self.queue.pop_front() {
                    Some(task) => {
                        self.count_begun(task.segment);
                        renderer.render(&task, self)?;
                    }
                    None => self.idle()?,
                },
            }
        }
    }

    /// Nothing to render: waits for orders, or leaves where none can come.
    fn idle(&mut self) -> Result<(), Leave> {
        if self._no_reader.is_some() {
            return Err(Leave(0));
        }
        self.out.flush()?;
        match self.orders.recv() {
            Ok(batch) => self.take(batch),
            Err(_) => Err(Leave(0)),
        }
    }

    fn take(&mut self, batch: Batch) -> Result<(), Leave> {
        let orders = match batch {
            Ok(orders) => orders,
            Err(why) => return Err(self.refuse(&why)),
        };
        for order in orders {
            match order {
                Order::Task(task) if self.queue.len() < QUEUE_MAX => self.queue.push_back(task),
                Order::Task(_) => {
                    let why = format!("more than {QUEUE_MAX} tasks wait");
                    return Err(self.refuse(&why));
                }
                Order::Cut(cut) => {
                    let keep = self.cut(cut);
                    writeln!(self.out, "{MARK} kept {} {keep}", cut.segment)?;
                    self.out.flush()?;
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, why: &str) -> Leave {
        match write_error(
            &mut self.out,
            why,
            "send one order a line: {\"task\":{…}} or {\"cut\":{…}}",
        ) {
            Ok(()) => BAD_ORDER,
            Err(error) => error.into(),
        }
    }

    /// Drops what is no longer wanted and tells how many tasks remain.
    fn cut(&mut self, cut: Cut) -> u32 {
        let begun = self.begun.get(&cut.segment).copied().unwrap_or(0);
        let mut kept = begun;
        let wanted = cut.keep.max(begun);
        self.queue.retain(|task| {
            if task.segment != cut.segment {
                return true;
            }
            let keep = kept < wanted;
            kept += u32::from(keep);
            keep
        });
        kept
    }

    fn count_begun(&mut self, segment: u64) {
        *self.begun.entry(segment).or_default() += 1;
        if self.begun.len() > SEGMENTS_MAX {
            self.begun.pop_first();
        }
    }
}

impl<W: Write> Desk for Session<W> {
    fn report(&mut self, report: Report<'_>) -> Result<(), Leave> {
        let out = &mut self.out;
        match report {
            Report::Loaded => writeln!(out, "{MARK} loaded")?,
            Report::Begun(t) => writeln!(out, "{MARK} begun {} {}", t.segment, t.task)?,
            Report::Progress(t, fraction) => {
                writeln!(
                    out,
                    "{MARK} progress {} {} {fraction:.2}",
                    t.segment, t.task
                )?;
            }
            Report::Wrote(t) => writeln!(out, "{MARK} wrote {} {}", t.segment, t.task)?,
            Report::Done(t) => writeln!(out, "{MARK} done {} {}", t.segment, t.task)?,
            Report::Failed(t, blame, why) => {
                let why = one_line(why);
                writeln!(out, "{MARK} failed {} {} {blame} {why}", t.segment, t.task)?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, text: &str) -> Result<(), Leave> {
        self.out.flush()?;
        writeln!(self.errors, "{text}")?;
        self.errors.flush()?;
        Ok(())
    }

    fn wait_until(&mut self, when: Instant) -> Result<(), Leave> {
        self.out.flush()?;
        loop {
            let left = when.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            match self.orders.recv_timeout(left) {
                Ok(batch) => self.take(batch)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Leave(0)),
            }
        }
    }
}

/// Prints the line after which the renderer ends.
pub fn write_error(out: &mut impl Write, message: &str, hint: &str) -> std::io::Result<()> {
    let document = serde_json::json!({ "message": message, "hint": hint });
    writeln!(out, "{MARK} error {document}")?;
    out.flush()
}

/// A path may hold a line end; a report is one line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Reads until the input ends, is broken, or nobody takes the orders any more.
fn read_orders(mut input: BufReader<impl Read>, sender: &SyncSender<Batch>) {
    let mut batch = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let order = match input
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => break,
            Ok(_) if !line.ends_with(b"\n") && line.len() as u64 == LINE_BYTES_MAX => {
                Err(format!("a line is longer than {LINE_BYTES_MAX} bytes"))
            }
            Ok(_) => parse(String::from_utf8_lossy(&line).trim_end()),
            Err(error) => Err(format!("cannot read standard input: {error}")),
        };
        match order {
            Ok(order) => batch.push(order),
            Err(why) => {
                let _ = sender.send(Ok(std::mem::take(&mut batch)));
                let _ = sender.send(Err(why));
                return;
            }
        }
        let full = batch.len() == BATCH_MAX || !input.buffer().contains(&b'\n');
        if full && sender.send(Ok(std::mem::take(&mut batch))).is_err() {
            return;
        }
    }
    if !batch.is_empty() {
        let _ = sender.send(Ok(batch));
    }
}

#[cfg(test)]
mod tests;
