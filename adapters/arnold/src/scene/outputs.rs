//! What a frame is written to: output strings, drivers, and the groups that they make.
//!
//! An output string is `[camera] AOV TYPE filter driver [layer name] [HALF]`. The AOVs of one driver are
//! one file, and one group: what framewright renders by itself as a layer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Types that an AOV can have.
const AOV_TYPES: [&str; 13] = [
    "RGBA", "RGB", "FLOAT", "VECTOR", "VECTOR2", "INT", "UINT", "BOOL", "BYTE", "NODE", "POINTER",
    "STRING", "MATRIX",
];

/// One output string, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The camera, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// What is written: `RGBA`, `N`.
    pub aov: String,
    /// Its type: `RGBA`, `VECTOR`.
    pub kind: String,
    /// Name of the filter node.
    pub filter: String,
    /// Name of the driver node.
    pub driver: String,
    /// What follows: a layer name, `HALF`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<String>,
}

impl Output {
    /// Reads it. The first word is a camera where there are enough words and the third is a type: a filter
    /// that is called like a type is nobody's.
    pub fn read(text: &str) -> Option<Output> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_type = |at: usize| words.get(at).is_some_and(|word| AOV_TYPES.contains(word));
        let has_camera = words.len() >= 5 && is_type(2);
        let (camera, words) = if has_camera {
            (Some(words[0].to_owned()), &words[1..])
        } else {
            (None, &words[..])
        };
        let [aov, kind, filter, driver, rest @ ..] = words else {
            return None;
        };
        AOV_TYPES.contains(kind).then(|| Output {
            camera,
            aov: (*aov).to_owned(),
            kind: (*kind).to_owned(),
            filter: (*filter).to_owned(),
            driver: (*driver).to_owned(),
            rest: rest.iter().map(|&word| word.to_owned()).collect(),
        })
    }

    /// The same AOV, written by another driver.
    pub fn to(&self, driver: &str) -> String {
        let camera = self.camera.iter().map(String::as_str);
        let words = [&self.aov, &self.kind, &self.filter].map(String::as_str);
        let rest = self.rest.iter().map(String::as_str);
        let all: Vec<&str> = camera.chain(words).chain([driver]).chain(rest).collect();
        all.join(" ")
    }
}

/// A driver node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its type: `driver_exr`.
    pub kind: String,
    /// Where it writes.
    pub filename: String,
    /// The rest of its parameters, as a scene file has them.
    pub params: Vec<String>,
    /// Imagers that it applies, by name.
    pub inputs: Vec<String>,
    /// Its `render_output` nodes, by name.
    pub outputs: Vec<String>,
}

/// AOVs that one driver writes into one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What people call it: the name of its first AOV.
    pub name: String,
    /// Names of its AOVs.
    pub passes: Vec<String>,
    /// Its output strings; none where it is made of `render_output` nodes.
    pub outputs: Vec<Output>,
    /// Its driver's name.
    pub driver: String,
}

/// Groups in the order of their first outputs, each with a name of its own.
pub fn groups(outputs: &[Output]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut by_driver: BTreeMap<&str, usize> = BTreeMap::new();
    for output in outputs {
        let at = *by_driver.entry(&output.driver).or_insert_with(|| {
            groups.push(Group {
                name: output.aov.clone(),
                passes: Vec::new(),
                outputs: Vec::new(),
                driver: output.driver.clone(),
            });
            groups.len() - 1
        });
        groups[at].passes.push(output.aov.clone());
        groups[at].outputs.push(output.clone());
    }
    name_apart(&mut groups);
    groups
}

/// Numbers groups that would be called the same.
pub fn name_apart(groups: &mut [Group]) {
    let mut taken = BTreeSet::new();
    for group in groups {
        let name = group.name.clone();
        let mut number = 2;
        while !taken.insert(group.name.clone()) {
            group.name = format!("{name}_{number}");
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_word_is_a_camera_where_a_type_comes_third() {
        let with = Output::read("/obj/cam1 RGBA RGBA f d").expect("an output");
        assert_eq!(with.camera.as_deref(), Some("/obj/cam1"));
        assert_eq!((with.aov.as_str(), with.driver.as_str()), ("RGBA", "d"));
        let without = Output::read("N VECTOR f d layer HALF").expect("an output");
        assert_eq!(without.camera, None);
        assert_eq!(without.rest, ["layer", "HALF"]);
        let other = Output::read("cam N VECTOR f d layer HALF").expect("an output");
        assert_eq!(
            (other.camera.as_deref(), other.aov.as_str()),
            (Some("cam"), "N")
        );
        assert_eq!(Output::read("RGBA RGBA f"), None);
        assert_eq!(Output::read(""), None);
    }

    #[test]
    fn an_output_goes_to_another_driver_with_all_that_it_says() {
        for text in ["/obj/cam1 RGBA RGBA f d", "N VECTOR f d layer HALF"] {
            let output = Output::read(text).expect("an output");
            assert_eq!(output.to("d"), text);
            assert_eq!(output.to("x"), text.replace(" d", " x"));
        }
    }

    #[test]
    fn a_driver_makes_a_group_and_names_stay_apart() {
        let outputs: Vec<Output> = [
            "RGBA RGBA f d1",
            "N VECTOR f d2",
            "Z FLOAT f d1",
            "RGBA RGBA f d3",
        ]
        .iter()
        .filter_map(|text| Output::read(text))
        .collect();
        let found: Vec<(String, Vec<String>)> = groups(&outputs)
            .into_iter()
            .map(|group| (group.name, group.passes))
            .collect();
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(
            found,
            [
                ("RGBA".to_owned(), list(&["RGBA", "Z"])),
                ("N".to_owned(), list(&["N"])),
                ("RGBA_2".to_owned(), list(&["RGBA"])),
            ]
        );
    }
}
