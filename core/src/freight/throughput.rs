//! How fast bytes go to a host and come from it, over the way that files take.
//!
//! The depot throws away what is sent and makes up what is fetched, so that neither disk counts.
//! Nothing is left there.

use std::time::Duration;

use framewright_worker::codec::Encoder;
use framewright_worker::freight::message::{FromDepot, PIECE_BYTES_MAX, ReadId, ToDepot};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::FreightSpec;
use super::connect::{Connected, Unreached, connect};

/// Bytes on their way at once: fills 1 Gbit/s over 60 ms.
const WINDOW_BYTES: u64 = 8 << 20;
/// More than any link brings in the time that is spent on it.
const FETCH_BYTES: u64 = 1 << 40;
/// How long a depot may take for its end.
const END_MAX: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Bytes a second to the host.
    pub send_bytes_s: f64,
    /// Bytes a second from it.
    pub fetch_bytes_s: f64,
}

/// Measures for about so long in each direction; the caller has a deadline for the whole.
///
/// # Errors
/// Why the depot could not be asked, in one sentence.
pub async fn throughput(spec: &FreightSpec, spend: Duration) -> Result<Throughput, String> {
    let connected = connect(spec).await.map_err(|why| match why {
        Unreached::Now(why) | Unreached::Ever(why) | Unreached::Disk { why, .. } => why,
    })?;
    let mut way = Way {
        connected,
        out: Vec::new(),
        written: 0,
        chunk: vec![0; 256 << 10],
    };
    let send_bytes_s = way.send(spend).await?;
    let fetch_bytes_s = way.fetch(spend).await?;
    way.say(&ToDepot::Bye)?;
    let end = async { while way.step().await.is_ok() {} };
    // What it says at its end is of no use any more.
    let _ = timeout(END_MAX, end).await;
    Ok(Throughput {
        send_bytes_s,
        fetch_bytes_s,
    })
}

/// An open way: what is to be written, and how far it is.
struct Way {
    connected: Connected,
    out: Vec<u8>,
    written: usize,
    chunk: Vec<u8>,
}

impl Way {
    fn say(&mut self, message: &ToDepot) -> Result<(), String> {
        Encoder::encode(message, &mut self.out).map_err(|error| error.to_string())
    }

    /// Writes or reads some; both sides wait for each other where only one is done.
    async fn step(&mut self) -> Result<Vec<FromDepot>, String> {
        let lost = |error: std::io::Error| format!("its depot is gone: {error}");
        let Connected {
            stdin,
            stdout,
            decoder,
            ..
        } = &mut self.connected;
        let rest = &self.out[self.written..];
        tokio::select! {
            wrote = stdin.write(rest), if !rest.is_empty() => {
                self.written += wrote.map_err(lost)?;
                if self.written == self.out.len() {
                    self.out.clear();
                    self.written = 0;
                }
            }
            read = stdout.read(&mut self.chunk) => match read.map_err(lost)? {
                0 => return Err("its depot is gone".to_owned()),
                count => decoder.push(&self.chunk[..count]),
            },
        }
        let mut said = Vec::new();
        while let Some(message) = decoder.next().map_err(|error| error.to_string())? {
            said.push(message);
        }
        Ok(said)
    }

    async fn send(&mut self, spend: Duration) -> Result<f64, String> {
        let piece = ToDepot::Sink {
            data: ByteBuf::from(noise(PIECE_BYTES_MAX)),
        };
        let bytes = PIECE_BYTES_MAX as u64;
        let (mut sent, mut taken) = (0, 0);
        let began = Instant::now();
        loop {
            let is_over = began.elapsed() >= spend;
            if is_over && taken >= sent {
                return Ok(rate(sent, began.elapsed()));
            }
            if !is_over && self.out.is_empty() && sent + bytes <= taken + WINDOW_BYTES {
                self.say(&piece)?;
                sent += bytes;
            }
            for message in self.step().await? {
                if let FromDepot::Ack { taken: now } = message {
                    taken = now;
                }
            }
        }
    }

    async fn fetch(&mut self, spend: Duration) -> Result<f64, String> {
        let read = ReadId(1);
        self.say(&ToDepot::Ack {
            taken: 0,
            window: WINDOW_BYTES,
        })?;
        self.say(&ToDepot::Source {
            read,
            bytes: FETCH_BYTES,
        })?;
        let mut taken = 0;
        let began = Instant::now();
        loop {
            for message in self.step().await? {
                if let FromDepot::Data { data, .. } = message {
                    taken += data.len() as u64;
                    self.say(&ToDepot::Ack {
                        taken,
                        window: WINDOW_BYTES,
                    })?;
                }
            }
            if began.elapsed() >= spend && taken > 0 {
                let rate = rate(taken, began.elapsed());
                self.say(&ToDepot::Unread { read })?;
                return Ok(rate);
            }
        }
    }
}

fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64().max(1e-6)
}

/// Bytes that no link can make fewer.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
