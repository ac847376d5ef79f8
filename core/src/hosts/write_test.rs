//! Whether a host shares storage with this machine: what is written here is read there under the
//! path that the host's `paths` make of it, and the other way round.
//!
//! Both files are small, have names that nobody else uses, and are removed on every path.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::talk::{Talk, TalkError};
use crate::run::paths::PathMap;

/// File servers may show a new file some seconds late.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Exit codes of the script.
const NOT_SEEN: i32 = 3;
const NOT_WRITTEN: i32 = 4;

/// Waits for `$1`, prints it, and writes `$2` into `$3`.
const SCRIPT: &str = r#"
tries=0
until [ -r "$1" ]; do
    [ "$tries" -ge 4 ] && exit 3
    tries=$((tries + 1))
    sleep 1
done
cat "$1" || exit 3
printf '%s' "$2" > "$3" || exit 4
"#;

/// What is wrong with shared storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteTestError {
    /// Nothing can be written here.
    #[error("cannot write into {folder} here: {why}")]
    Here {
        /// Where.
        folder: String,
        /// The system's reason.
        why: String,
    },
    /// The host does not see what was written here.
    #[error("it does not see {path}, which was written here")]
    NotSeen {
        /// The path there.
        path: String,
    },
    /// It sees another file.
    #[error("it sees something else at {path} than what was written here")]
    Differs {
        /// The path there.
        path: String,
    },
    /// It cannot write there.
    #[error("it cannot write {path}: {why}")]
    NotWritten {
        /// The path there.
        path: String,
        /// Its reason.
        why: String,
    },
    /// What it wrote is not seen here.
    #[error("what it wrote as {there} is not seen here as {here}")]
    NotBack {
        /// The path there.
        there: String,
        /// The path here.
        here: String,
    },
}

/// Files of this test, removed with it.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            // Most likely it was never written.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Tests a folder; the outer error is that of the conversation.
pub(super) async fn test(
    talk: &mut Talk,
    folder: &Path,
    paths: &PathMap,
    nonce: &str,
) -> Result<Result<(), WriteTestError>, TalkError> {
    let name = |which: &str| folder.join(format!(".framewright-check-{nonce}-{which}"));
    let (out, back) = (name("out"), name("back"));
    let there = |path: &Path| paths.there(&path.display().to_string());
    let (out_there, back_there) = (there(&out), there(&back));
    let files = Files(vec![out, back]);
    let [out, back] = files.0.as_slice() else {
        return Ok(Ok(()));
    };
    if let Err(error) = std::fs::write(out, nonce) {
        return Ok(Err(WriteTestError::Here {
            folder: folder.display().to_string(),
            why: error.to_string(),
        }));
    }
    // Told apart from what was written here, which may be found there in its place.
    let reply = format!("{nonce}-back");
    let output = talk.run(SCRIPT, &[&out_there, &reply, &back_there]).await?;
    let why = || output.stderr.last().cloned().unwrap_or_default();
    Ok(match output.code {
        Some(0) if output.stdout != [nonce] => Err(WriteTestError::Differs { path: out_there }),
        Some(0) if comes_back(back, &reply).await => Ok(()),
        Some(0) => Err(WriteTestError::NotBack {
            there: back_there,
            here: back.display().to_string(),
        }),
        Some(NOT_SEEN) => Err(WriteTestError::NotSeen { path: out_there }),
        Some(NOT_WRITTEN) | Some(_) | None => Err(WriteTestError::NotWritten {
            path: back_there,
            why: why(),
        }),
    })
}

async fn comes_back(path: &Path, reply: &str) -> bool {
    let deadline = Instant::now() + SEEN_MAX;
    loop {
        if std::fs::read_to_string(path).is_ok_and(|text| text == reply) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
}
