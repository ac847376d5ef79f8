//! "Did you mean …?": the known word nearest to one that is not known.

/// The nearest of `known`, if it is near enough to be what was meant: at most a third of the
/// word's letters differ. Swapped neighbours count once, case and `_` for `-` not at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, remove, replace, swap neighbours) that make one word of the other.
#[must_use]
pub fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (letters(from), letters(to));
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, letter) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != other);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == to[j - 1] && from[i - 1] == *other {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

fn letters(word: &str) -> Vec<char> {
    let dashed = word
        .chars()
        .map(|letter| if letter == '_' { '-' } else { letter });
    dashed.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = [
            "blender",
            "stub",
            "noop",
            "keep-going",
            "output",
            "overwrite",
        ];
        for (word, meant) in [
            ("blendr", Some("blender")),
            ("Blender", Some("blender")),
            ("lbender", Some("blender")),
            ("stbu", Some("stub")),
            ("keep_going", Some("keep-going")),
            ("ouput", Some("output")),
            ("maya", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn distance_is_a_metric_on_small_words() {
        let words = ["", "a", "ab", "ba", "abc", "acb", "blend"];
        for one in words {
            assert_eq!(distance(one, one), 0);
            for other in words {
                assert_eq!(distance(one, other), distance(other, one));
            }
        }
    }
}
