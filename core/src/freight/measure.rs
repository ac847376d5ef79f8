//! How fast the way to a host is: for `hosts check`, before any job depends on it.
//!
//! Bytes that mean nothing are sent and thrown away there, then as many asked for, over the very
//! connection, framing and window that files use. Nothing is written on either side but the
//! depot's own folder.

use std::time::Duration;

use framewright_worker::codec::Encoder;
use framewright_worker::freight::message::{FromDepot, PIECE_BYTES_MAX, ReadId, ToDepot};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::FreightSpec;
use super::connect::{Connected, Unreached, connect};
use super::pace::Pace;

/// Round trips of which the shortest counts.
const PINGS: u64 = 8;
const PIECE_BYTES: usize = PIECE_BYTES_MAX / 2;
const CHUNK_BYTES: usize = 256 << 10;
/// What may be on its way home.
const HOME_WINDOW_BYTES: u64 = 4 << 20;

/// What a way carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Throughput {
    /// From starting the command until the depot had answered.
    pub connect: Duration,
    /// Shortest time there and back of a small message.
    pub round_trip: Duration,
    /// Bytes a second to the host.
    pub up: f64,
    /// Bytes a second from it.
    pub down: f64,
    /// framewright's cache folder there, where a depot could work.
    pub cache_root: String,
    /// Room on its disk.
    pub disk_bytes: u64,
}

/// Measures with at most so many bytes each way, and about so long each way.
///
/// # Errors
/// One sentence, when the host cannot be reached, its cache folder cannot be used, or the
/// connection breaks.
pub async fn measure(
    spec: &FreightSpec,
    bytes: u64,
    about: Duration,
) -> Result<Throughput, String> {
    let begun = Instant::now();
    let connected = connect(spec).await.map_err(|unreached| match unreached {
        Unreached::Now(why) | Unreached::Ever(why) | Unreached::Disk { why, .. } => why,
    })?;
    let connect = begun.elapsed();
    let (cache_root, disk_bytes) = (
        connected.welcome.cache_root.clone(),
        connected.welcome.disk_bytes,
    );
    let mut line = Line {
        connected,
        chunk: vec![0; CHUNK_BYTES],
        silence_max: spec.deadline,
    };
    let measured = line.measure(bytes, about).await;
    let _ = line.say(&ToDepot::Bye).await;
    let _ = line.connected.child.start_kill();
    let _ = timeout(spec.deadline, line.connected.child.wait()).await;
    let (round_trip, up, down) = measured.map_err(|why| format!("host {}: {why}", spec.name))?;
    Ok(Throughput {
        connect,
        round_trip,
        up,
        down,
        cache_root,
        disk_bytes,
    })
}

struct Line {
    connected: Connected,
    chunk: Vec<u8>,
    silence_max: Duration,
}

impl Line {
    async fn measure(
        &mut self,
        bytes: u64,
        about: Duration,
    ) -> Result<(Duration, f64, f64), String> {
        let mut round_trip = Duration::MAX;
        for number in 1..=PINGS {
            let sent = Instant::now();
            self.say(&ToDepot::Ping { number }).await?;
            while self.hear().await? != (FromDepot::Pong { number }) {}
            round_trip = round_trip.min(sent.elapsed());
        }
        let (sent, up) = self.up(bytes, about, round_trip).await?;
        let down = self.down(sent).await?;
        Ok((round_trip, up, down))
    }

    /// Bytes sent, and how many a second.
    async fn up(
        &mut self,
        bytes: u64,
        about: Duration,
        round_trip: Duration,
    ) -> Result<(u64, f64), String> {
        let mut pace = Pace::new();
        pace.round_trip(round_trip);
        let data = ByteBuf::from(noise(PIECE_BYTES));
        let mut piece = Vec::new();
        Encoder::encode(&ToDepot::Sink { data }, &mut piece).map_err(|error| error.to_string())?;
        let begun = Instant::now();
        let mut sent = 0;
        loop {
            let more = sent < bytes && begun.elapsed() < about;
            if !more && pace.on_its_way() == 0 {
                break;
            }
            if more && pace.may_send() {
                self.write(&piece).await?;
                pace.sent(Instant::now().into_std(), PIECE_BYTES as u64);
                sent += PIECE_BYTES as u64;
            } else if let FromDepot::Ack { taken } = self.hear().await? {
                pace.acked(Instant::now().into_std(), taken);
            }
        }
        Ok((sent, rate(sent, begun.elapsed())))
    }

    async fn down(&mut self, bytes: u64) -> Result<f64, String> {
        let read = ReadId(1);
        let window = HOME_WINDOW_BYTES;
        let mut taken = 0;
        let begun = Instant::now();
        self.say(&ToDepot::Ack { taken, window }).await?;
        self.say(&ToDepot::Source { read, bytes }).await?;
        loop {
            match self.hear().await? {
                FromDepot::Data { data, .. } => {
                    taken += data.len() as u64;
                    self.say(&ToDepot::Ack { taken, window }).await?;
                }
                FromDepot::End { .. } => return Ok(rate(taken, begun.elapsed())),
                _ => {}
            }
        }
    }

    async fn say(&mut self, message: &ToDepot) -> Result<(), String> {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).map_err(|error| error.to_string())?;
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        match timeout(self.silence_max, self.connected.stdin.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.gone().await),
            Err(_) => Err("its depot takes nothing any more".to_owned()),
        }
    }

    async fn hear(&mut self) -> Result<FromDepot, String> {
        loop {
            let next = self.connected.decoder.next();
            if let Some(message) = next.map_err(|error| error.to_string())? {
                return Ok(message);
            }
            let read = self.connected.stdout.read(&mut self.chunk);
            match timeout(self.silence_max, read).await {
                Ok(Ok(count @ 1..)) => self.connected.decoder.push(&self.chunk[..count]),
                Ok(_) => return Err(self.gone().await),
                Err(_) => return Err("its depot says nothing any more".to_owned()),
            }
        }
    }

    async fn gone(&mut self) -> String {
        format!(
            "its depot is gone{}",
            self.connected.words.as_suffix().await
        )
    }
}

fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64().max(1e-6)
}

/// Bytes that nothing on the way can compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}
