//! Laws of a depot's messages: whatever goes in comes out, in any pieces, and no bytes do harm.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use framewright_worker::codec::{Decoder, Encoder, MESSAGE_BYTES_MAX};
use framewright_worker::freight::message::{
    AskId, BATCH_MAX, Blob, BlobFact, DepotHello, DepotWelcome, Fault, FaultKind, FromDepot,
    PIECE_BYTES_MAX, Place, Presence, PutId, ReadId, ToDepot,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<String>(),
        "[\\n\\r\\x00-\\x7f/.]{0,40}"
    ]
}

fn ask() -> impl Strategy<Value = AskId> {
    any::<u64>().prop_map(AskId)
}

fn put() -> impl Strategy<Value = PutId> {
    any::<u64>().prop_map(PutId)
}

fn read() -> impl Strategy<Value = ReadId> {
    any::<u64>().prop_map(ReadId)
}

fn data() -> impl Strategy<Value = ByteBuf> {
    vec(any::<u8>(), 0..300).prop_map(ByteBuf::from)
}

fn fact() -> impl Strategy<Value = BlobFact> {
    (any::<[u8; 32]>(), any::<u64>(), any::<i64>()).prop_map(|(hash, bytes, mtime_ns)| BlobFact {
        blob: Blob(hash),
        bytes,
        mtime_ns,
    })
}

fn place() -> impl Strategy<Value = Place> {
    (text(), fact()).prop_map(|(path, fact)| Place { path, fact })
}

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop::sample::select(vec![
        FaultKind::DiskFull,
        FaultKind::Quota,
        FaultKind::ReadOnly,
        FaultKind::TooLarge,
        FaultKind::Denied,
        FaultKind::Missing,
        FaultKind::Differs,
        FaultKind::BadName,
        FaultKind::Protocol,
        FaultKind::Other,
    ]);
    (kind, text()).prop_map(|(kind, why)| Fault { kind, why })
}

fn to_depot() -> impl Strategy<Value = ToDepot> {
    prop_oneof![
        (
            (text(), text(), text(), text()),
            (any::<Option<u64>>(), any::<u64>(), any::<u64>()),
        )
            .prop_map(
                |((build, job, host, cache_root), (cache_bytes, window, heartbeat_ms))| {
                    ToDepot::Hello(DepotHello {
                        build,
                        job,
                        host,
                        cache_root,
                        cache_bytes,
                        window,
                        heartbeat_ms,
                    })
                }
            ),
        (ask(), vec(fact(), 0..4)).prop_map(|(ask, blobs)| ToDepot::Have { ask, blobs }),
        (ask(), any::<u64>()).prop_map(|(ask, bytes)| ToDepot::Room { ask, bytes }),
        (put(), fact(), any::<u64>()).prop_map(|(put, blob, from)| ToDepot::Put {
            put,
            blob,
            from
        }),
        (put(), any::<bool>(), data()).prop_map(|(put, zstd, data)| ToDepot::Piece {
            put,
            zstd,
            data
        }),
        (ask(), text(), vec(place(), 0..4)).prop_map(|(ask, job, files)| ToDepot::Lay {
            ask,
            job,
            files
        }),
        (ask(), text()).prop_map(|(ask, job)| ToDepot::Remove { ask, job }),
        (read(), text(), any::<u64>(), any::<u64>()).prop_map(|(read, path, from, bytes)| {
            ToDepot::Read {
                read,
                path,
                from,
                bytes,
            }
        }),
        read().prop_map(|read| ToDepot::Unread { read }),
        (any::<u64>(), any::<u64>()).prop_map(|(taken, window)| ToDepot::Ack { taken, window }),
        data().prop_map(|data| ToDepot::Sink { data }),
        (read(), any::<u64>()).prop_map(|(read, bytes)| ToDepot::Source { read, bytes }),
        any::<u64>().prop_map(|number| ToDepot::Ping { number }),
        Just(ToDepot::Bye),
    ]
}

fn from_depot() -> impl Strategy<Value = FromDepot> {
    let presence = prop_oneof![Just(Presence::Whole), any::<u64>().prop_map(Presence::Part)];
    prop_oneof![
        (text(), any::<u32>(), text(), text(), any::<u64>()).prop_map(
            |(build, pid, hostname, cache_root, disk_bytes)| {
                FromDepot::Hello(DepotWelcome {
                    build,
                    pid,
                    hostname,
                    cache_root,
                    disk_bytes,
                })
            }
        ),
        (text(), prop::option::of(fault()))
            .prop_map(|(why, fault)| FromDepot::Refused { why, fault }),
        (ask(), vec(presence, 0..6)).prop_map(|(ask, blobs)| FromDepot::Had { ask, blobs }),
        (ask(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
            |(ask, bytes, cap_bytes, evicted)| FromDepot::Roomy {
                ask,
                bytes,
                cap_bytes,
                evicted
            }
        ),
        put().prop_map(|put| FromDepot::Stored { put }),
        (put(), fault()).prop_map(|(put, fault)| FromDepot::NotStored { put, fault }),
        (ask(), vec(any::<u32>(), 0..6), prop::option::of(fault())).prop_map(
            |(ask, missing, fault)| FromDepot::Laid {
                ask,
                missing,
                fault
            }
        ),
        (ask(), prop::option::of(fault()))
            .prop_map(|(ask, fault)| FromDepot::Removed { ask, fault }),
        (read(), data()).prop_map(|(read, data)| FromDepot::Data { read, data }),
        read().prop_map(|read| FromDepot::End { read }),
        (read(), fault()).prop_map(|(read, fault)| FromDepot::NotRead { read, fault }),
        any::<u64>().prop_map(|taken| FromDepot::Ack { taken }),
        any::<u64>().prop_map(|number| FromDepot::Pong { number }),
        Just(FromDepot::Bye),
    ]
}

fn round_trip<T>(messages: &[T], cuts: &[usize]) -> Result<(), TestCaseError>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut bytes = Vec::new();
    for message in messages {
        Encoder::encode(message, &mut bytes).unwrap();
    }
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    let mut decoder = Decoder::new();
    let mut got = Vec::new();
    for pair in at.windows(2) {
        decoder.push(&bytes[pair[0]..pair[1]]);
        while let Some(message) = decoder.next::<T>().unwrap() {
            got.push(message);
        }
    }
    prop_assert_eq!(decoder.pending_bytes(), 0);
    prop_assert_eq!(&got[..], messages);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_controller_says_arrives(
        messages in vec(to_depot(), 0..6), cuts in vec(any::<usize>(), 0..8)
    ) {
        round_trip(&messages, &cuts)?;
    }

    #[test]
    fn what_a_depot_says_arrives(
        messages in vec(from_depot(), 0..6), cuts in vec(any::<usize>(), 0..8)
    ) {
        round_trip(&messages, &cuts)?;
    }

    #[test]
    fn changed_byte_never_panics(
        message in to_depot(), at in any::<prop::sample::Index>(), to in any::<u8>()
    ) {
        let mut bytes = Vec::new();
        Encoder::encode(&message, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        drop(decoder.next::<ToDepot>());
    }

    #[test]
    fn hash_is_written_one_way(hash in any::<[u8; 32]>()) {
        let text = Blob(hash).to_string();
        prop_assert_eq!(text.parse(), Ok(Blob(hash)));
        prop_assert!(text[1..].parse::<Blob>().is_err());
        if text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            prop_assert!(text.to_uppercase().parse::<Blob>().is_err());
        }
    }
}

#[test]
fn bytes_travel_as_bytes() {
    // Not as a list of numbers, which would be up to twice as long.
    let piece = ToDepot::Piece {
        put: PutId(1),
        zstd: false,
        data: ByteBuf::from(vec![0xff; PIECE_BYTES_MAX]),
    };
    let mut bytes = Vec::new();
    Encoder::encode(&piece, &mut bytes).unwrap();
    assert!(bytes.len() < PIECE_BYTES_MAX + 100, "{}", bytes.len());
}

#[test]
fn fullest_order_fits_into_a_message() {
    let file = Place {
        path: "/x".repeat(1750),
        fact: BlobFact {
            blob: Blob([0xff; 32]),
            bytes: u64::MAX,
            mtime_ns: i64::MIN,
        },
    };
    let order = ToDepot::Lay {
        ask: AskId(u64::MAX),
        job: "j".repeat(100),
        files: vec![file; BATCH_MAX],
    };
    let mut bytes = Vec::new();
    Encoder::encode(&order, &mut bytes).unwrap();
    assert!(bytes.len() < MESSAGE_BYTES_MAX);
}
