//! Which names a depot takes from a controller.
//!
//! Paths come from scenes, and scenes from anywhere. What is accepted here has no component that
//! leads anywhere but down, and nothing that a file system or a terminal reads as something else.

use super::message::{Fault, FaultKind};

/// Longest name of a job.
const JOB_BYTES_MAX: usize = 100;
/// Longest path, as the kernel has it, with room for the tree's own folder.
const PATH_BYTES_MAX: usize = 3500;
/// Longest component.
const PART_BYTES_MAX: usize = 255;
/// Most components.
const DEPTH_MAX: usize = 200;

/// A job's name as the name of a folder.
pub(super) fn job(name: &str) -> Result<&str, Fault> {
    let fits = !name.is_empty()
        && name.len() <= JOB_BYTES_MAX
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        Ok(name)
    } else {
        Err(refused("the name of a job", name, "it is no plain name"))
    }
}

/// An absolute path as folders and a file's name.
pub(super) fn path(path: &str) -> Result<(Vec<&str>, &str), Fault> {
    let no = |why| refused("a path", path, why);
    let Some(below) = path.strip_prefix('/') else {
        return Err(no("it is not absolute"));
    };
    if path.len() > PATH_BYTES_MAX {
        return Err(no("it is too long"));
    }
    if path.contains('\0') {
        return Err(no("it contains a zero byte"));
    }
    let mut parts: Vec<&str> = below.split('/').collect();
    if parts.len() > DEPTH_MAX {
        return Err(no("it is too deep"));
    }
    for part in &parts {
        match *part {
            "" => return Err(no("it has an empty component")),
            "." | ".." => return Err(no("it has a component `.` or `..`")),
            part if part.len() > PART_BYTES_MAX => return Err(no("a component is too long")),
            _ => {}
        }
    }
    let Some(file) = parts.pop() else {
        return Err(no("it names no file"));
    };
    Ok((parts, file))
}

fn refused(what: &str, name: &str, why: &str) -> Fault {
    let shown: String = name.escape_debug().take(200).collect();
    Fault::new(
        FaultKind::BadName,
        format!("{what} is refused, `{shown}`: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        assert_eq!(path("/a/b c/ü.png").unwrap(), (vec!["a", "b c"], "ü.png"));
        assert_eq!(path("/x").unwrap(), (vec![], "x"));
        assert_eq!(path("/a/...").unwrap(), (vec!["a"], "..."));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let long = format!("/{}", "x".repeat(256));
        let deep = "/x".repeat(DEPTH_MAX + 1);
        let longer = "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".repeat(100);
        for hostile in [
            "", "/", "a/b", "/a/../b", "/..", "/a/./b", "/a//b", "/a/", "/a\0b", "../x", &long,
            &deep, &longer,
        ] {
            let fault = path(hostile).unwrap_err();
            assert_eq!(fault.kind, FaultKind::BadName, "{hostile}");
        }
    }

    #[test]
    fn jobs_are_plain_names() {
        assert!(job("0198c0de-aaaa_b.c").is_ok());
        for hostile in [
            "",
            ".",
            "..",
            ".x",
            "a/b",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(101),
        ] {
            assert!(job(hostile).is_err(), "{hostile}");
        }
    }
}
