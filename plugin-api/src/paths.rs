//! Where a host has the files that a scene names by absolute paths.
//!
//! Text only: whether a file is there is for the renderer to find out, because an adapter need not run
//! on the host of its renderer. Invariant: a path is moved by the longest prefix that fits, whatever the
//! order of the pairs, and by no other.

use crate::data::PathPair;

/// The path under which a host has `path`, or `None` where no pair says anything about it.
///
/// ```
/// use framewright_plugin_api::data::PathPair;
/// use framewright_plugin_api::paths::on_host;
///
/// let pair = |from: &str, to: &str| PathPair { from: from.into(), to: to.into() };
/// let paths = [pair("/mnt", "/Volumes"), pair("/mnt/tex", "/fast/tex")];
/// assert_eq!(on_host(&paths, "/mnt/a.png").as_deref(), Some("/Volumes/a.png"));
/// assert_eq!(on_host(&paths, "/mnt/tex/a.png").as_deref(), Some("/fast/tex/a.png"));
/// assert_eq!(on_host(&paths, "/mnt2/a.png"), None);
/// ```
#[must_use]
pub fn on_host(paths: &[PathPair], path: &str) -> Option<String> {
    paths
        .iter()
        .filter_map(|pair| {
            let from = pair.from.trim_end_matches('/');
            let rest = path.strip_prefix(from)?;
            (path.starts_with('/') && (rest.is_empty() || rest.starts_with('/'))).then_some((
                from.len(),
                rest,
                pair,
            ))
        })
        .max_by_key(|&(length, ..)| length)
        .map(|(_, rest, pair)| format!("{}{rest}", pair.to.trim_end_matches('/')))
        .map(|moved| {
            if moved.is_empty() {
                "/".to_owned()
            } else {
                moved
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(all: &[(&str, &str)]) -> Vec<PathPair> {
        let pair = |&(from, to): &(&str, &str)| PathPair {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        all.iter().map(pair).collect()
    }

    #[test]
    fn the_root_moves_everything_that_is_absolute() {
        let paths = pairs(&[("/", "/tree")]);
        assert_eq!(on_host(&paths, "/a/b").as_deref(), Some("/tree/a/b"));
        assert_eq!(on_host(&paths, "a/b"), None);
        assert_eq!(on_host(&paths, "//a/b").as_deref(), Some("/tree//a/b"));
        assert_eq!(on_host(&[], "/a"), None);
    }

    #[test]
    fn the_longest_prefix_counts_in_either_order() {
        let mut paths = pairs(&[("/mnt", "/v"), ("/mnt/a/", "/w/"), ("/", "/tree")]);
        for _ in 0..2 {
            assert_eq!(on_host(&paths, "/mnt/a/x").as_deref(), Some("/w/x"));
            assert_eq!(on_host(&paths, "/mnt/a").as_deref(), Some("/w"));
            assert_eq!(on_host(&paths, "/mnt/ab").as_deref(), Some("/v/ab"));
            assert_eq!(on_host(&paths, "/mn").as_deref(), Some("/tree/mn"));
            paths.reverse();
        }
    }

    #[test]
    fn a_host_may_have_things_at_its_root() {
        let paths = pairs(&[("/staged", "/")]);
        assert_eq!(on_host(&paths, "/staged/a").as_deref(), Some("/a"));
        assert_eq!(on_host(&paths, "/staged").as_deref(), Some("/"));
    }
}
