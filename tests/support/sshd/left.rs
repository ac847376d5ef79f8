//! What a job has left on a host, or has there still: processes, locks, files.

use std::fs;
use std::path::Path;

use super::host::Host;

impl Host {
    /// Everything there that is a job's, one sentence each; `marks` are variables of processes,
    /// with values, that count as well. What the next job needs (the program, assets) does not.
    pub fn left_of(&self, job: &str, marks: &[(&str, &str)]) -> Vec<String> {
        let mut left = Vec::new();
        // Whatever was started through ssh has the first, a door and a depot too.
        let own = [
            ("FRAMEWRIGHT_TEST_HOST", self.name()),
            ("FRAMEWRIGHT_JOB", job),
        ];
        for (variable, value) in own.iter().chain(marks) {
            let found = self.processes(variable, value).into_iter();
            left.extend(found.map(|(pid, line)| format!("process {pid} ({variable}): {line}")));
        }
        left.extend(
            self.locks()
                .into_iter()
                .map(|lock| format!("a lock: {lock}")),
        );
        let places = fs::read_dir(self.tmp()).into_iter().flatten().flatten();
        let places = places.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("framewright-") && name != "framewright-slots"
        });
        for folder in places.chain([self.cache_root().join("jobs")]) {
            left.extend(within(&folder));
        }
        left
    }

    /// Files of assets that stay there for the next job, by name, with sizes.
    pub fn blobs(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        files(&self.cache_root().join("blobs"), &mut found);
        // A depot that is connected has a seat there, which is no blob.
        found.retain(|(name, _)| name.len() > 32 && name.chars().all(|c| c.is_ascii_hexdigit()));
        found.sort();
        found
    }
}

fn within(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| format!("a file: {}", entry.path().display()))
}

fn files(folder: &Path, found: &mut Vec<(String, u64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(about) if about.is_dir() => files(&entry.path(), found),
            Ok(about) => found.push((
                entry.file_name().to_string_lossy().into_owned(),
                about.len(),
            )),
            Err(_) => {}
        }
    }
}
