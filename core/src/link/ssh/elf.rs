//! Making an executable as small as it can be sent, and saying what it needs to run.
//!
//! What the system maps is described by the program headers alone. Everything behind the last
//! byte that they name (symbols, debug information, section headers) is for debuggers, and nine
//! tenths of a debug build. Files that are not 64-bit little-endian ELF are sent as they are.

use std::ops::Range;

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
const TAG_STRINGS: u64 = 5;
const TAG_STRINGS_BYTES: u64 = 10;

/// The C library that an executable is linked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Libc {
    /// None: it is linked statically, or this cannot be told.
    Any,
    /// glibc, of this version or newer.
    Glibc(u32, u32),
    /// musl.
    Musl,
}

struct Segment {
    kind: u32,
    file: Range<usize>,
    memory: u64,
}

/// The same program without what only debuggers read.
pub(super) fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let Some(segments) = segments(&bytes) else {
        return bytes;
    };
    let headers = header_table(&bytes).map_or(0, |table| table.end);
    let end = segments.iter().map(|segment| segment.file.end).max();
    let end = end.unwrap_or(bytes.len()).max(headers);
    if end >= bytes.len() {
        return bytes;
    }
    bytes.truncate(end);
    bytes.shrink_to_fit();
    // e_shoff; then e_shnum and e_shstrndx.
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    bytes
}

/// What it needs of the host's C library.
pub(super) fn libc(bytes: &[u8]) -> Libc {
    let Some(segments) = segments(bytes) else {
        return Libc::Any;
    };
    let of_kind = |kind| segments.iter().find(move |segment| segment.kind == kind);
    let Some(interpreter) = of_kind(INTERPRETER) else {
        return Libc::Any;
    };
    let name = bytes.get(interpreter.file.clone()).unwrap_or_default();
    if String::from_utf8_lossy(name).contains("ld-musl") {
        return Libc::Musl;
    }
    let strings = of_kind(DYNAMIC).and_then(|dynamic| strings(bytes, &segments, dynamic));
    let versions = strings.unwrap_or_default().split(|byte| *byte == 0);
    let newest = versions.filter_map(|name| {
        let (major, minor) = std::str::from_utf8(name)
            .ok()?
            .strip_prefix("GLIBC_")?
            .split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    newest
        .max()
        .map_or(Libc::Any, |(major, minor)| Libc::Glibc(major, minor))
}

/// The table of names that the dynamic linker reads.
fn strings<'a>(bytes: &'a [u8], segments: &[Segment], dynamic: &Segment) -> Option<&'a [u8]> {
    let entries = bytes.get(dynamic.file.clone())?.chunks_exact(16);
    let value = |wanted| {
        entries
            .clone()
            .find(|entry| u64_at(entry, 0) == Some(wanted))
            .and_then(|entry| u64_at(entry, 8))
    };
    let (address, size) = (value(TAG_STRINGS)?, value(TAG_STRINGS_BYTES)?);
    let home = segments.iter().find(|segment| {
        let size = segment.file.len() as u64;
        segment.kind == LOAD && (segment.memory..segment.memory + size).contains(&address)
    })?;
    let start = home.file.start + usize::try_from(address - home.memory).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// Its program headers; None where it is no ELF that we know, or a broken one.
fn segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    let table = header_table(bytes)?;
    let size = usize::from(u16_at(bytes, 0x36)?);
    let mut segments = Vec::new();
    for header in bytes.get(table)?.chunks_exact(size) {
        let start = usize::try_from(u64_at(header, 0x08)?).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(header, 0x20)?).ok()?)?;
        if end > bytes.len() {
            return None;
        }
        segments.push(Segment {
            kind: u32_at(header, 0)?,
            file: start..end,
            memory: u64_at(header, 0x10)?,
        });
    }
    Some(segments)
}

fn header_table(bytes: &[u8]) -> Option<Range<usize>> {
    const CLASS_64_LITTLE_ENDIAN: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
    if !bytes.starts_with(&CLASS_64_LITTLE_ENDIAN) {
        return None;
    }
    let start = usize::try_from(u64_at(bytes, 0x20)?).ok()?;
    let (size, count) = (u16_at(bytes, 0x36)?, u16_at(bytes, 0x38)?);
    let end = start.checked_add(usize::from(size) * usize::from(count))?;
    (size >= 0x38 && end <= bytes.len()).then_some(start..end)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<u8> {
        let path = std::env::current_exe().expect("a test has an executable");
        std::fs::read(path).expect("it can be read")
    }

    #[test]
    fn a_trimmed_program_is_smaller_and_runs() {
        let whole = own();
        let size = whole.len();
        let small = trimmed(whole);
        assert!(small.len() * 2 < size, "{} of {size}", small.len());
        // Twice changes nothing.
        assert_eq!(trimmed(small.clone()), small);
        let folder = tempfile::tempdir().expect("a temp folder");
        let path = folder.path().join("small");
        std::fs::write(&path, &small).expect("our own folder");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).expect("our own file");
        let run = || std::process::Command::new(&path).arg("--list").output();
        // Another test's child may hold the new file open for writing for a moment.
        let mut output = run();
        while output
            .as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy)
        {
            std::thread::yield_now();
            output = run();
        }
        let output = output.expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let listed = String::from_utf8_lossy(&output.stdout);
        assert!(listed.contains("a_trimmed_program_is_smaller_and_runs"));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    fn what_it_needs_of_the_c_library_is_read() {
        let whole = own();
        let needed = libc(&whole);
        assert!(matches!(needed, Libc::Glibc(2, 10..=99)), "{needed:?}");
        assert_eq!(libc(&trimmed(whole)), needed);
    }

    #[test]
    fn what_is_no_elf_or_a_broken_one_stays_as_it_is() {
        for bytes in [
            Vec::new(),
            b"#!/bin/sh\n".to_vec(),
            b"\x7fELF\x02\x01".to_vec(),
            own()[..4096].to_vec(),
        ] {
            assert_eq!(trimmed(bytes.clone()), bytes);
            assert_eq!(libc(&bytes), Libc::Any);
        }
        // Headers that point anywhere are no reason to fail.
        let mut wild = own();
        wild.truncate(8192);
        for at in 0x20..0x40 {
            let mut bytes = wild.clone();
            bytes[at] ^= 0xff;
            let _ = (libc(&bytes), trimmed(bytes));
        }
    }
}
