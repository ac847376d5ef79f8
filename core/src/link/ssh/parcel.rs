//! The program as it is sent to hosts: our own executable, trimmed, with its hashes. Made once a
//! process, and compressed once, when the first host needs it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::elf::{self, Libc};

/// What is sent.
#[derive(Debug)]
pub(super) struct Parcel {
    pub bytes: Vec<u8>,
    /// 64 hex digits.
    pub sha256: String,
    /// What POSIX `cksum` prints of it.
    pub cksum: String,
    pub libc: Libc,
    zipped: OnceLock<Vec<u8>>,
}

impl Parcel {
    /// The parcel that an executable makes.
    pub(super) async fn of(executable: &Path) -> Result<Arc<Self>, std::io::Error> {
        type Made = BTreeMap<PathBuf, Arc<OnceCell<Arc<Parcel>>>>;
        static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
        let cell = {
            let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(made.entry(executable.to_owned()).or_default())
        };
        let make = || async {
            let path = executable.to_owned();
            let parcel = tokio::task::spawn_blocking(move || Self::read(&path)).await;
            parcel.map_err(std::io::Error::other)?.map(Arc::new)
        };
        cell.get_or_try_init(make).await.map(Arc::clone)
    }

    fn read(executable: &Path) -> Result<Self, std::io::Error> {
        Ok(Self::new(std::fs::read(executable)?))
    }

    pub(super) fn new(executable: Vec<u8>) -> Self {
        let bytes = elf::trimmed(executable);
        Self {
            sha256: hex(&Sha256::digest(&bytes)),
            cksum: cksum(&bytes),
            libc: elf::libc(&bytes),
            bytes,
            zipped: OnceLock::new(),
        }
    }

    /// The parcel compressed, for `gzip -d`. Quick rather than small: the first host waits for it.
    pub(super) async fn zipped(self: &Arc<Self>) -> Result<Arc<Self>, std::io::Error> {
        let parcel = Arc::clone(self);
        let zip = move || {
            parcel.zipped.get_or_init(|| gzip(&parcel.bytes));
            parcel
        };
        let zipped = tokio::task::spawn_blocking(zip).await;
        zipped.map_err(std::io::Error::other)
    }

    /// What goes over the wire, and what the script calls its form. Compressed where that was
    /// done and is worth the work.
    pub(super) fn wire(&self) -> (&'static str, &[u8]) {
        match self.zipped.get() {
            Some(zipped) if zipped.len() < self.bytes.len() / 10 * 9 => ("gzip", zipped),
            _ => ("plain", &self.bytes),
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail; if it did, the result would not be worth sending.
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.unwrap_or_else(|_| bytes.to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `CRC SIZE` as POSIX `cksum` prints them of standard input: the CRC of ISO 8802-3, most
/// significant bit first, with the length appended.
fn cksum(bytes: &[u8]) -> String {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    let mut table = [0_u32; 256];
    for (index, entry) in (0_u32..).zip(table.iter_mut()) {
        *entry = (0..8).fold(index << 24, |crc, _| {
            (crc << 1) ^ if crc & (1 << 31) == 0 { 0 } else { POLYNOMIAL }
        });
    }
    let step = |crc: u32, byte: u8| (crc << 8) ^ table[((crc >> 24) as u8 ^ byte) as usize];
    let mut crc = bytes.iter().fold(0, |crc, byte| step(crc, *byte));
    let mut rest = bytes.len();
    while rest > 0 {
        crc = step(crc, (rest & 0xff) as u8);
        rest >>= 8;
    }
    format!("{} {}", !crc, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_the_tools_print() {
        let parcel = Parcel::new(b"hello\n".to_vec());
        assert_eq!(
            parcel.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(parcel.cksum, "3015617425 6");
        assert_eq!(cksum(b""), "4294967295 0");
    }

    #[tokio::test]
    async fn what_does_not_shrink_is_sent_plain() {
        let noise: Vec<u8> = blake3::Hasher::new()
            .update(b"seed")
            .finalize_xof()
            .take_bytes(100_000);
        let parcel = Arc::new(Parcel::new(noise)).zipped().await.expect("zipped");
        assert_eq!(parcel.wire().0, "plain");
        let parcel = Arc::new(Parcel::new(vec![7; 100_000]))
            .zipped()
            .await
            .expect("zipped");
        let (form, bytes) = parcel.wire();
        assert!(
            form == "gzip" && bytes.len() < 2_000,
            "{form} {}",
            bytes.len()
        );
    }

    trait TakeBytes {
        fn take_bytes(self, count: usize) -> Vec<u8>;
    }

    impl TakeBytes for blake3::OutputReader {
        fn take_bytes(mut self, count: usize) -> Vec<u8> {
            let mut bytes = vec![0; count];
            self.fill(&mut bytes);
            bytes
        }
    }
}
