//! Values of a host's keys: what may be written, and what is said of what may not.

use std::collections::BTreeMap;

use crate::request::Storage;

/// Names end up in paths, in tables and on command lines.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) || text.starts_with(['-', '.'])
    {
        return Err(format!(
            "`{text}` is no host name (letters, digits, `.`, `-`, `_`; at most 64)"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn storage(text: &str) -> Result<Storage, String> {
    match text {
        "shared" => Ok(Storage::Shared),
        "staged" => Ok(Storage::Staged),
        other => Err(format!(
            "`{other}` is not known: write \"shared\" or \"staged\""
        )),
    }
}

pub(super) fn daily_hours(text: &str) -> Result<String, String> {
    match crate::run::hours::Hours::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!(
            "`{text}` are no hours: write them like 19:00-08:00"
        )),
    }
}

/// A path that is whole wherever a worker stands.
pub(super) fn absolute(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!(
            "`{text}` is no absolute path: it has to begin with `/`"
        ));
    }
    if text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(format!("`{text}` has `.` or `..` in it: write it out"));
    }
    if text.contains('\0') {
        return Err("a path cannot hold a zero byte".to_owned());
    }
    Ok(text.to_owned())
}

/// Prefixes here and there, each without a `/` at its end.
pub(super) fn prefixes(
    written: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut clean: BTreeMap<String, String> = BTreeMap::new();
    for (here, there) in written {
        let here = without_slashes(&absolute(&here)?);
        let there = without_slashes(&absolute(&there)?);
        if clean.insert(here.clone(), there).is_some() {
            return Err(format!("`{here}` is there twice"));
        }
    }
    Ok(clean)
}

/// `/mnt//projects/` is `/mnt/projects`; the root stays `/`.
fn without_slashes(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}
