//! What the command line asks for.

/// Words that choose modes.
const STATES: [&str; 2] = ["reloaded", "kept"];

/// Help, with every word that there is.
const HELP: &str = "\
tests/bench/schedule/run [--seeds N] [--threads N] [--runs] [--each] [--report-only] [WORD..]

Words choose; those of one kind choose within it, and a kind of which none is named is taken whole.
  --seeds N       worlds of each cell that knows chance
  --threads N     worlds at once (default: as many as there are cores)
  --runs          a renderer that is not kept takes runs of frames only, not any frames in a list
  --each          a row for each shape of costs, also of scenarios beyond the nine
  --report-only   exit code 0 although a goal is missed
";

/// What is to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub seeds: Option<u64>,
    pub threads: Option<usize>,
    pub runs: bool,
    pub each: bool,
    pub report_only: bool,
    words: Vec<String>,
}

/// The names that words may be.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub scenarios: Vec<String>,
    pub shapes: Vec<String>,
    pub paces: Vec<String>,
    pub ways: Vec<String>,
}

impl Names {
    fn kinds(&self) -> [(&str, Vec<&str>); 5] {
        [
            ("scenarios", strs(&self.scenarios)),
            ("shapes", strs(&self.shapes)),
            ("sends", strs(&self.paces)),
            ("renderers", STATES.to_vec()),
            ("rows", strs(&self.ways)),
        ]
    }
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

impl Asked {
    /// Reads the arguments; `Err` is what to print, and whether it was asked for.
    pub fn read(
        mut arguments: impl Iterator<Item = String>,
        names: &Names,
    ) -> Result<Asked, (String, bool)> {
        let mut asked = Asked::default();
        let number = |name: &str, text: Option<String>| {
            let number = text.and_then(|text| text.parse::<u64>().ok());
            let number = number.filter(|number| *number > 0);
            number.ok_or_else(|| (format!("{name} wants a number above 0"), false))
        };
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--help" | "-h" => return Err((help(names), true)),
                "--seeds" => asked.seeds = Some(number("--seeds", arguments.next())?),
                "--threads" => {
                    asked.threads = Some(number("--threads", arguments.next())? as usize);
                }
                "--runs" => asked.runs = true,
                "--each" => asked.each = true,
                "--report-only" => asked.report_only = true,
                _ if names
                    .kinds()
                    .iter()
                    .any(|(_, kind)| kind.contains(&word.as_str())) =>
                {
                    asked.words.push(word);
                }
                _ => {
                    return Err((
                        format!("`{word}` is none of its words\n\n{}", help(names)),
                        false,
                    ));
                }
            }
        }
        Ok(asked)
    }

    /// Whether a word of this kind is wanted.
    fn wants(&self, kind: &[String], word: &str) -> bool {
        let named = |word: &str| self.words.iter().any(|given| given == word);
        named(word) || !kind.iter().any(|other| named(other))
    }

    pub fn wants_scenario(&self, names: &Names, name: &str) -> bool {
        self.wants(&names.scenarios, name)
    }

    pub fn wants_shape(&self, names: &Names, name: &str) -> bool {
        self.wants(&names.shapes, name)
    }

    pub fn wants_pace(&self, names: &Names, name: &str) -> bool {
        self.wants(&names.paces, name)
    }

    pub fn wants_way(&self, names: &Names, name: &str) -> bool {
        self.wants(&names.ways, name)
    }

    pub fn wants_state(&self, kept: bool) -> bool {
        let states = STATES.map(str::to_owned);
        self.wants(&states, STATES[usize::from(kept)])
    }
}

fn help(names: &Names) -> String {
    let kinds = names.kinds();
    let lines = kinds
        .iter()
        .map(|(kind, words)| format!("  {kind:<10}  {}\n", words.join(" ")));
    format!("{HELP}\nWords:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked, (String, bool)> {
        let names = Names {
            scenarios: vec!["A".to_owned(), "B".to_owned()],
            shapes: vec!["const".to_owned()],
            ..Names::default()
        };
        Asked::read(words.iter().map(|word| (*word).to_owned()), &names)
    }

    #[test]
    fn a_word_chooses_within_its_kind_only() {
        let names = Names {
            scenarios: vec!["A".to_owned(), "B".to_owned()],
            ..Names::default()
        };
        let asked = read(&["B", "kept", "--seeds", "3"]).unwrap();
        assert_eq!(asked.seeds, Some(3));
        assert!(asked.wants_scenario(&names, "B") && !asked.wants_scenario(&names, "A"));
        assert!(asked.wants_state(true) && !asked.wants_state(false));
        assert!(asked.wants_shape(&names, "const"));
    }

    #[test]
    fn a_word_that_is_none_is_refused() {
        assert!(!read(&["C"]).unwrap_err().1);
        assert!(!read(&["--seeds", "0"]).unwrap_err().1);
        assert!(read(&["--help"]).unwrap_err().1);
    }
}
