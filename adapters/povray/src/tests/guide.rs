//! `docs/writing-an-adapter.md` quotes this adapter: what it quotes is there.

use std::fs;
use std::path::Path;

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Lines without what is before and behind them, so that a quotation may stand in a list.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// Each quotation: the file that it names, and its lines.
fn quotations(guide: &str) -> Vec<(String, Vec<&str>)> {
    let all = lines(guide);
    let mut found = Vec::new();
    for (at, line) in all.iter().enumerate() {
        let Some(file) = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        assert!(all[at + 1].starts_with("```"), "nothing is quoted: {line}");
        let quoted = &all[at + 2..];
        let end = quoted.iter().position(|line| *line == "```");
        let end = end.expect("a quotation ends");
        found.push((file.to_owned(), quoted[..end].to_vec()));
    }
    found
}

#[test]
fn the_guide_quotes_what_is_there() {
    let path = Path::new(TOP).join("docs/writing-an-adapter.md");
    let guide = fs::read_to_string(path).expect("the guide");
    let all = quotations(&guide);
    assert!(all.len() >= 15, "{} quotations", all.len());
    // Rust is only shown where it is held to its source.
    assert_eq!(
        guide.matches("```rust").count(),
        all.iter().filter(|(file, _)| file.ends_with(".rs")).count()
    );
    for (file, quoted) in all {
        let text = fs::read_to_string(Path::new(TOP).join(&file));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        let source = lines(&text);
        let is_there = source
            .windows(quoted.len())
            .any(|window| window == quoted.as_slice());
        assert!(is_there, "not in {file}:\n{}", quoted.join("\n"));
    }
}

#[test]
fn the_guide_links_to_files_that_are_there() {
    let path = Path::new(TOP).join("docs/writing-an-adapter.md");
    let guide = fs::read_to_string(path).expect("the guide");
    let links = guide.split("](").skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 20);
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => {
                let slug = |line: &str| -> String {
                    let kept = line.trim_start_matches('#').trim().chars();
                    let kept = kept.filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
                    kept.collect::<String>().to_lowercase().replace(' ', "-")
                };
                let headings = guide.lines().filter(|line| line.starts_with('#'));
                assert!(headings.map(slug).any(|slug| slug == heading), "#{heading}");
            }
            None => {
                let target = Path::new(TOP).join("docs").join(link);
                assert!(target.exists(), "{link}");
            }
        }
    }
}

/// The guide's tables name every input, effect, verdict and ability.
#[test]
fn the_guide_names_every_word_of_the_documents() {
    let guide = fs::read_to_string(Path::new(TOP).join("docs/writing-an-adapter.md"));
    let guide = guide.expect("the guide");
    let data = fs::read_to_string(Path::new(TOP).join("plugin-api/src/data.rs"));
    let data = data.expect("the documents");
    for name in ["Input", "Effect", "Verdict"] {
        let (_, rest) = data
            .split_once(&format!("pub enum {name} {{\n"))
            .expect("it is there");
        let (body, _) = rest.split_once("\n}\n").expect("it ends");
        let is_variant = |line: &&str| {
            let text = line.strip_prefix("    ").unwrap_or_default();
            text.starts_with(|first: char| first.is_ascii_uppercase())
        };
        let variants: Vec<&str> = body.lines().filter(is_variant).collect();
        assert!(variants.len() > 4, "{name}: {variants:?}");
        for line in variants {
            let ident: String = line
                .trim()
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            let mut word = String::new();
            for letter in ident.chars() {
                if letter.is_ascii_uppercase() && !word.is_empty() {
                    word.push('-');
                }
                word.push(letter.to_ascii_lowercase());
            }
            // A success is said by `wrote`; the table is about the ways to fail.
            let is_told = word == "succeeded" || guide.contains(&format!("`{word}`"));
            assert!(is_told, "{name}: {word}");
        }
    }
}
