//! The C header and its Rust mirror are the same, and the header compiles cleanly as C11 and C++11.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::env;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use framewright_plugin_api::abi::{self, Head, Table};

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-O1"];

fn include_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// The compiler, if this machine has it. Without it the test says so; under `CI=true` it fails.
fn compiler(variable: &str, default: &str) -> Option<String> {
    let program = env::var(variable).unwrap_or_else(|_| default.to_owned());
    if Command::new(&program).arg("--version").output().is_ok() {
        return Some(program);
    }
    assert_ne!(
        env::var("CI").as_deref(),
        Ok("true"),
        "the compiler {program} is missing, and CI may not skip this test"
    );
    #[expect(clippy::print_stderr, reason = "a test that is not run says so aloud")]
    {
        eprintln!("NOT TESTED: the compiler {program} is missing (set {variable} to name another)");
    }
    None
}

fn compile(program: &str, arguments: &[&str], source: &Path, into: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .args(WARNINGS)
        .arg("-I")
        .arg(include_folder())
        .arg("-o")
        .arg(into)
        .arg(source)
        .output()
        .expect("the compiler was found a moment ago");
    assert!(
        output.status.success(),
        "{program} {arguments:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const PRINTER: &str = r#"
#include "framewright_adapter.h"
#include <inttypes.h>
#include <stdio.h>

#define OFFSET(field) \
    printf("offset " #field " %zu\n", offsetof(framewright_adapter_table, field))

int main(void) {
    printf("size table %zu\n", sizeof(framewright_adapter_table));
    OFFSET(magic); OFFSET(size); OFFSET(abi_major); OFFSET(abi_minor);
    OFFSET(describe); OFFSET(open); OFFSET(step); OFFSET(close);
    printf("magic %" PRIu64 "\n", FRAMEWRIGHT_ADAPTER_MAGIC);
    printf("abi %d %d\n", FRAMEWRIGHT_ABI_MAJOR, FRAMEWRIGHT_ABI_MINOR);
    printf("answer %d\n", FRAMEWRIGHT_ANSWER_BYTES_MAX);
    printf("codes %d %d %d\n", FRAMEWRIGHT_OK, FRAMEWRIGHT_ERROR, FRAMEWRIGHT_POISONED);
    printf("entry %s\n", FRAMEWRIGHT_ENTRY_NAME);
    return 0;
}
"#;

fn mirror() -> String {
    let mut text = String::new();
    let offsets = [
        ("magic", offset_of!(Head, magic)),
        ("size", offset_of!(Head, size)),
        ("abi_major", offset_of!(Head, abi_major)),
        ("abi_minor", offset_of!(Head, abi_minor)),
        ("describe", offset_of!(Table, describe)),
        ("open", offset_of!(Table, open)),
        ("step", offset_of!(Table, step)),
        ("close", offset_of!(Table, close)),
    ];
    writeln!(text, "size table {}", size_of::<Table>()).unwrap();
    for (field, offset) in offsets {
        writeln!(text, "offset {field} {offset}").unwrap();
    }
    writeln!(text, "magic {}", abi::MAGIC).unwrap();
    writeln!(text, "abi {} {}", abi::ABI_MAJOR, abi::ABI_MINOR).unwrap();
    writeln!(text, "answer {}", abi::ANSWER_BYTES_MAX).unwrap();
    writeln!(text, "codes {} {} {}", abi::OK, abi::ERROR, abi::POISONED).unwrap();
    let entry = std::str::from_utf8(abi::ENTRY_NAME).unwrap();
    writeln!(text, "entry {}", entry.trim_end_matches('\0')).unwrap();
    text
}

#[test]
fn the_mirror_has_the_headers_sizes_offsets_and_constants() {
    let Some(cc) = compiler("CC", "cc") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("printer.c");
    let program = folder.path().join("printer");
    std::fs::write(&source, PRINTER).unwrap();
    compile(&cc, &["-std=c11"], &source, &program);
    let printed = Command::new(&program).output().unwrap();
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), mirror());
    assert_eq!(
        size_of::<Head>(),
        16,
        "the first 16 bytes must never change"
    );
    assert_eq!(abi::MAGIC.to_le_bytes(), *b"FWADAPT1");
}

#[test]
fn the_header_compiles_as_cpp11() {
    let Some(cxx) = compiler("CXX", "c++") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("printer.cpp");
    let program = folder.path().join("printer");
    std::fs::write(&source, PRINTER).unwrap();
    compile(&cxx, &["-std=c++11"], &source, &program);
    let printed = Command::new(&program).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), mirror());
}
