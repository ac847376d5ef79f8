//! Paths here and on a host that sees the same files elsewhere: `/mnt/projects` is
//! `/Volumes/projects` there.
//!
//! The longest prefix wins, and a prefix ends where a component does: `/mnt/pro` says nothing of
//! `/mnt/projects`. A path below no prefix is the same on both sides. Paths are text here, as
//! they travel; nothing is asked of a disk.

use std::collections::BTreeMap;

use framewright_plugin_api::data::PathPair;

/// Prefixes of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMap {
    /// Here and there, each absolute and without a `/` at its end.
    pairs: Vec<(String, String)>,
}

impl PathMap {
    /// From `paths` of a host, as the farm's reader leaves them.
    #[must_use]
    pub fn new(paths: &BTreeMap<String, String>) -> Self {
        Self {
            pairs: paths.clone().into_iter().collect(),
        }
    }

    /// Whether every path is the same on both sides.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.pairs.is_empty()
    }

    /// As adapters are told.
    #[must_use]
    pub fn pairs(&self) -> Vec<PathPair> {
        let pair = |(from, to): &(String, String)| PathPair {
            from: from.clone(),
            to: to.clone(),
        };
        self.pairs.iter().map(pair).collect()
    }

    /// The path there of a path here.
    #[must_use]
    pub fn there(&self, here: &str) -> String {
        replaced(here, self.pairs.iter().map(|(here, there)| (here, there)))
    }

    /// The path here of a path there.
    #[must_use]
    pub fn here(&self, there: &str) -> String {
        replaced(there, self.pairs.iter().map(|(here, there)| (there, here)))
    }
}

/// Where two prefixes are equally long they are the same one; the first in order stands.
fn replaced<'a>(path: &str, pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut best: Option<(&str, &str, &str)> = None;
    for (from, to) in pairs {
        let Some(rest) = below(path, from) else {
            continue;
        };
        if best.is_none_or(|(longest, _, _)| from.len() > longest.len()) {
            best = Some((from, to, rest));
        }
    }
    match best {
        None => path.to_owned(),
        Some((_, "/", "")) => "/".to_owned(),
        Some((_, "/", rest)) => rest.to_owned(),
        Some((_, to, rest)) => format!("{to}{rest}"),
    }
}

/// What of a path comes after a prefix, with its `/`.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    if prefix == "/" {
        return path.starts_with('/').then_some(path);
    }
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(pairs: &[(&str, &str)]) -> PathMap {
        let owned = |&(here, there): &(&str, &str)| (here.to_owned(), there.to_owned());
        PathMap::new(&pairs.iter().map(owned).collect())
    }

    #[test]
    fn a_path_below_a_prefix_is_elsewhere_and_others_stay() {
        let paths = map(&[("/mnt/projects", "/Volumes/projects")]);
        assert_eq!(
            paths.there("/mnt/projects/a/b.exr"),
            "/Volumes/projects/a/b.exr"
        );
        assert_eq!(paths.there("/mnt/projects"), "/Volumes/projects");
        assert_eq!(paths.there("/mnt/projects2/a"), "/mnt/projects2/a");
        assert_eq!(paths.there("/mnt/pro"), "/mnt/pro");
        assert_eq!(paths.there("/tmp/a"), "/tmp/a");
        assert_eq!(paths.here("/Volumes/projects/a"), "/mnt/projects/a");
    }

    #[test]
    fn the_longest_prefix_wins_both_ways() {
        let paths = map(&[("/p", "/x"), ("/p/shows", "/x/y/shows"), ("/p/a", "/q")]);
        assert_eq!(paths.there("/p/shows/1"), "/x/y/shows/1");
        assert_eq!(paths.there("/p/show/1"), "/x/show/1");
        assert_eq!(paths.here("/x/y/shows/1"), "/p/shows/1");
        assert_eq!(paths.here("/x/y/1"), "/p/y/1");
        assert_eq!(paths.here("/q"), "/p/a");
    }

    #[test]
    fn the_root_may_be_mapped() {
        let paths = map(&[("/", "/net/desk")]);
        assert_eq!(paths.there("/a"), "/net/desk/a");
        assert_eq!(paths.here("/net/desk/a"), "/a");
        assert_eq!(paths.here("/net/desk"), "/");
        let back = map(&[("/net/desk", "/")]);
        assert_eq!(back.there("/net/desk"), "/");
        assert_eq!(back.there("/net/desk/a"), "/a");
    }

    proptest! {
        /// Where no prefix there lies below another and none there is a path that stays, a path
        /// comes back as it went.
        #[test]
        fn a_path_comes_back(parts in prop::collection::vec("[a-c]{1,2}", 0..5)) {
            let path = format!("/{}", parts.join("/"));
            let paths = map(&[("/a", "/t1"), ("/a/b", "/t2"), ("/b/c", "/t3/t4")]);
            prop_assert_eq!(paths.here(&paths.there(&path)), path);
        }
    }
}
