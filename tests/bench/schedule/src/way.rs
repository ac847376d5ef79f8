//! What is done with a job, and what the farm is told of it.

use framewright_kernel::policy::Policy;
use framewright_kernel::time::Span;

use crate::scenario::Suite;

/// What the farm knows of costs and speeds before the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knows {
    /// Speeds, and the mean cost.
    Mean,
    /// Every host is said to have speed 1, and the mean is wrong: too high in worlds of even seeds,
    /// too low in those of odd ones.
    Wrong,
    /// Speeds, and each cost with history's error.
    History,
    /// Everything.
    All,
}

/// A row of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub name: String,
    pub policy: Policy,
    pub knows: Knows,
}

/// What stands for all fixed sizes together, on the command line and in tables.
pub const BEST_FIXED: &str = "best-fixed";

/// Every way of the suite: the farm's own, the fixed sizes, the others.
pub fn all(suite: &Suite) -> Result<Vec<Way>, String> {
    let own = [
        ("unknown", Knows::Mean),
        ("wrong", Knows::Wrong),
        ("history", Knows::History),
        ("known", Knows::All),
    ];
    let mut ways: Vec<Way> = own
        .into_iter()
        .map(|(name, knows)| Way {
            name: name.to_owned(),
            policy: Policy::Auto,
            knows,
        })
        .collect();
    let fixed = suite.fixed.iter().map(|size| format!("fixed:{size}"));
    for name in fixed.chain(suite.policies.iter().cloned()) {
        ways.push(Way {
            policy: policy(&name)?,
            knows: Knows::Mean,
            name,
        });
    }
    Ok(ways)
}

/// A policy by the name that it has on framewright's command line.
fn policy(text: &str) -> Result<Policy, String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let wrong = || format!("`{text}` is no policy");
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    match name {
        "even" if rest.is_empty() => Ok(Policy::Even),
        "guided" if rest.is_empty() => Ok(Policy::Guided),
        "factoring" if rest.is_empty() => Ok(Policy::Factoring),
        "fixed" => Ok(Policy::Fixed(number(rest)?)),
        "royal-render" => {
            let (min, max) = rest.split_once("..").ok_or_else(wrong)?;
            let (min, max) = (number(min)?, number(max)?);
            Ok(Policy::RoyalRender { min, max })
        }
        "openjd" => {
            let minutes = rest.strip_suffix('m').ok_or_else(wrong)?;
            let target = Span::from_secs(u64::from(number(minutes)?) * 60);
            Ok(Policy::OpenJd { target })
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        let target = Span::from_secs(900);
        assert_eq!(policy("openjd:15m"), Ok(Policy::OpenJd { target }));
        assert_eq!(policy("fixed:10"), Ok(Policy::Fixed(10)));
        let rule = Policy::RoyalRender { min: 2, max: 10 };
        assert_eq!(policy("royal-render:2..10"), Ok(rule));
        for wrong in [
            "fixed",
            "fixed:x",
            "even:2",
            "royal-render:2",
            "openjd:15",
            "best",
        ] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }
}
