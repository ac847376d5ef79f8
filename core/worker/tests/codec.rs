//! Laws of the codec: whatever goes in comes out, in any pieces; whatever comes in does no harm.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use framewright_worker::codec::{
    Decoder, Encoder, FOREIGN_BYTES_MAX, MESSAGE_BYTES_MAX, PreambleFinder, preamble_line,
};
use framewright_worker::message::{
    Checked, ControllerHello, Expect, FromWorker, Holder, Picture, RequestId, RunId, RunOrder,
    SlotId, ToWorker, Vitals, WorkerHello,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<String>(),
        "[\\n\\r\\x00-\\x7f]{0,40}"
    ]
}

fn order() -> impl Strategy<Value = RunOrder> {
    (
        (any::<u64>(), any::<u32>(), vec(text(), 0..4)),
        (btree_map(text(), text(), 0..4), vec(text(), 0..3), text()),
        (text(), vec((text(), text()), 0..3), any::<bool>()),
    )
        .prop_map(
            |((run, slot, argv), (env, inherit, cwd), (scratch, files, stdin))| RunOrder {
                run: RunId(run),
                slot: SlotId(slot),
                argv,
                env: env.into_iter().collect::<BTreeMap<_, _>>(),
                inherit,
                cwd,
                scratch,
                files,
                stdin,
            },
        )
}

fn hello() -> impl Strategy<Value = ControllerHello> {
    (
        (text(), text(), text(), text()),
        (any::<u32>(), any::<u64>(), any::<u64>()),
        (any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(
                (build, job, host, scratch_root),
                (slots, grace_ms, heartbeat_ms),
                (fence, received, leased, vitals),
            )| ControllerHello {
                fence,
                received,
                leased,
                vitals,
                build,
                job,
                host,
                slots,
                scratch_root,
                grace_ms,
                heartbeat_ms,
            },
        )
}

fn expect() -> impl Strategy<Value = Expect> {
    (text(), any::<u32>(), any::<u32>(), vec(text(), 0..4)).prop_map(
        |(format, width, height, channels)| Expect {
            format,
            width,
            height,
            channels,
        },
    )
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    let run = || any::<u64>().prop_map(RunId);
    let request = || any::<u64>().prop_map(RequestId);
    prop_oneof![
        hello().prop_map(ToWorker::Hello),
        order().prop_map(ToWorker::Run),
        (run(), text()).prop_map(|(run, text)| ToWorker::Write { run, text }),
        run().prop_map(|run| ToWorker::CloseStdin { run }),
        (run(), any::<u32>()).prop_map(|(run, polite_ms)| ToWorker::Kill { run, polite_ms }),
        (request(), text(), expect()).prop_map(|(request, path, expect)| ToWorker::Verify {
            request,
            path,
            expect
        }),
        (request(), vec(text(), 0..4))
            .prop_map(|(request, names)| ToWorker::Which { request, names }),
        (request(), text()).prop_map(|(request, path)| ToWorker::MakeDir { request, path }),
        text().prop_map(|path| ToWorker::Remove { path }),
        any::<u32>().prop_map(|slot| ToWorker::Lease { slot: SlotId(slot) }),
        any::<u32>().prop_map(|slot| ToWorker::Release { slot: SlotId(slot) }),
        any::<u64>().prop_map(|received| ToWorker::Ack { received }),
        any::<u64>().prop_map(|number| ToWorker::Ping { number }),
        Just(ToWorker::Bye),
    ]
}

fn checked() -> impl Strategy<Value = Checked> {
    prop_oneof![
        (
            any::<u32>(),
            any::<u32>(),
            vec(text(), 0..4),
            any::<u64>(),
            text()
        )
            .prop_map(
                |(width, height, channels, bytes, hash)| Checked::Good(Picture {
                    width,
                    height,
                    channels,
                    bytes,
                    hash
                })
            ),
        (text(), any::<bool>()).prop_map(|(why, disk_full)| Checked::Bad { why, disk_full }),
    ]
}

fn holders() -> impl Strategy<Value = Vec<Holder>> {
    let holder = (text(), text(), any::<u32>(), any::<i64>());
    vec(
        holder.prop_map(|(user, job, pid, since_ms)| Holder {
            user,
            job,
            pid,
            since_ms,
        }),
        0..4,
    )
}

fn vitals() -> impl Strategy<Value = Vitals> {
    (
        0.0..1e6_f64,
        any::<u64>(),
        any::<u64>(),
        any::<u16>(),
        any::<i64>(),
    )
        .prop_map(
            |(load, memory_bytes, disk_bytes, minute, clock_ms)| Vitals {
                load,
                memory_bytes,
                disk_bytes,
                minute,
                clock_ms,
            },
        )
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let run = || any::<u64>().prop_map(RunId);
    let request = || any::<u64>().prop_map(RequestId);
    prop_oneof![
        (
            (text(), any::<u32>(), text(), text()),
            (any::<u32>(), any::<u64>()),
            (text(), text(), text()),
            (any::<i64>(), any::<u64>())
        )
            .prop_map(
                |(
                    (build, pid, hostname, executable),
                    (cores, memory_bytes),
                    (user, scratch_root, cache_root),
                    (clock_ms, received),
                )| {
                    FromWorker::Hello(WorkerHello {
                        user,
                        scratch_root,
                        cache_root,
                        clock_ms,
                        received,
                        build,
                        pid,
                        hostname,
                        executable,
                        cores,
                        memory_bytes,
                    })
                }
            ),
        text().prop_map(|why| FromWorker::Refused { why }),
        (run(), any::<u32>()).prop_map(|(run, pid)| FromWorker::Started { run, pid }),
        (run(), text(), any::<bool>()).prop_map(|(run, why, missing)| FromWorker::NotStarted {
            run,
            why,
            missing
        }),
        (run(), any::<bool>(), vec(text(), 0..5), any::<u64>()).prop_map(
            |(run, stderr, lines, dropped)| FromWorker::Lines {
                run,
                stderr,
                lines,
                dropped
            }
        ),
        (
            run(),
            any::<Option<i32>>(),
            any::<Option<i32>>(),
            any::<bool>(),
            -1e12_f64..1e12,
            any::<u64>()
        )
            .prop_map(|(run, code, signal, killed, cpu_s, rss_bytes)| {
                FromWorker::Exited {
                    run,
                    code,
                    signal,
                    killed,
                    cpu_s,
                    rss_bytes,
                }
            }),
        (request(), checked())
            .prop_map(|(request, outcome)| FromWorker::Verified { request, outcome }),
        (request(), any::<Option<String>>())
            .prop_map(|(request, path)| FromWorker::Program { request, path }),
        (request(), any::<Option<String>>())
            .prop_map(|(request, error)| FromWorker::Made { request, error }),
        any::<u32>().prop_map(|slot| FromWorker::Leased { slot: SlotId(slot) }),
        (any::<u32>(), holders()).prop_map(|(slot, holders)| FromWorker::LeaseWaits {
            slot: SlotId(slot),
            holders
        }),
        (any::<u32>(), holders())
            .prop_map(|(give, waiting)| FromWorker::LeaseWanted { give, waiting }),
        vitals().prop_map(FromWorker::Vitals),
        any::<u64>().prop_map(|received| FromWorker::Ack { received }),
        any::<u64>().prop_map(|number| FromWorker::Pong { number }),
        Just(FromWorker::Bye),
    ]
}

/// Cuts `bytes` at the given places (taken modulo its length).
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn round_trip<T>(messages: &[T], cuts: &[usize]) -> Result<(), TestCaseError>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut bytes = Vec::new();
    for message in messages {
        Encoder::encode(message, &mut bytes).unwrap();
    }
    let mut decoder = Decoder::new();
    let mut got = Vec::new();
    for piece in pieces(&bytes, cuts) {
        decoder.push(piece);
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
        messages in vec(to_worker(), 0..6), cuts in vec(any::<usize>(), 0..8)
    ) {
        round_trip(&messages, &cuts)?;
    }

    #[test]
    fn what_a_worker_says_arrives(
        messages in vec(from_worker(), 0..6), cuts in vec(any::<usize>(), 0..8)
    ) {
        round_trip(&messages, &cuts)?;
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_waited_for(bytes in vec(any::<u8>(), 0..600)) {
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        for _ in 0..bytes.len() {
            match decoder.next::<ToWorker>() {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        prop_assert!(decoder.pending_bytes() <= bytes.len());
    }

    #[test]
    fn arbitrary_payload_is_refused(payload in vec(any::<u8>(), 0..300)) {
        let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
        bytes.extend(&payload);
        bytes.push(b'\n');
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        // A payload that happens to be a message is one; anything else is an error, no panic.
        if let Err(error) = decoder.next::<FromWorker>() {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn changed_byte_never_panics(
        message in to_worker(), at in any::<prop::sample::Index>(), to in any::<u8>()
    ) {
        let mut bytes = Vec::new();
        Encoder::encode(&message, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        drop(decoder.next::<ToWorker>());
    }

    #[test]
    fn preamble_is_found_in_any_pieces(
        banner in vec(any::<u8>(), 0..400), cuts in vec(any::<usize>(), 0..6)
    ) {
        let mut bytes = banner.clone();
        bytes.extend(preamble_line("0.1.0-0123456789abcdef"));
        Encoder::encode(&FromWorker::Bye, &mut bytes).unwrap();
        let mut finder = PreambleFinder::new();
        let mut decoder: Option<Decoder> = None;
        for piece in pieces(&bytes, &cuts) {
            if let Some(decoder) = &mut decoder {
                decoder.push(piece);
                continue;
            }
            finder.push(piece);
            if let Some((preamble, rest)) = finder.find().unwrap() {
                prop_assert_eq!(&preamble.build, "0.1.0-0123456789abcdef");
                decoder = Some(rest);
            }
        }
        let mut decoder = decoder.expect("the preamble is there");
        prop_assert_eq!(decoder.next::<FromWorker>().unwrap(), Some(FromWorker::Bye));
    }
}

#[test]
fn largest_message_fits_and_one_more_byte_does_not() {
    let empty = {
        let mut bytes = Vec::new();
        Encoder::encode(&FromWorker::Refused { why: String::new() }, &mut bytes).unwrap();
        bytes.len() - 5
    };
    // A long string carries four more bytes of length than an empty one.
    let room = MESSAGE_BYTES_MAX - empty - 4;
    let mut bytes = Vec::new();
    let fits = FromWorker::Refused {
        why: "x".repeat(room),
    };
    Encoder::encode(&fits, &mut bytes).unwrap();
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    assert_eq!(decoder.next::<FromWorker>().unwrap(), Some(fits));
    let over = FromWorker::Refused {
        why: "x".repeat(room + 1),
    };
    assert!(Encoder::encode(&over, &mut bytes).is_err());
}

#[test]
fn banner_is_bounded() {
    let mut finder = PreambleFinder::new();
    let mut pushed = 0;
    while finder.find().is_ok_and(|found| found.is_none()) {
        finder.push(&[b'-'; 4096]);
        pushed += 4096;
        assert!(pushed <= FOREIGN_BYTES_MAX + 8192, "no end to the banner");
    }
}
