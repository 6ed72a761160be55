//! `spec.parameters.pathTests`: what must be there, or must not, for a mutator to act.

use std::collections::BTreeMap;

use super::Location;
use crate::model::object::quote;

/// Whether something must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `MustExist`
    MustExist,
    /// `MustNotExist`
    MustNotExist,
}

/// Conditions by the step of the mutator's location that they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathTests(BTreeMap<usize, Condition>);

impl Condition {
    /// Reads a condition's name.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "MustExist" => Some(Self::MustExist),
            "MustNotExist" => Some(Self::MustNotExist),
            _ => None,
        }
    }
}

impl PathTests {
    /// That nothing is there at the last step of a location.
    pub(super) fn nothing_at(location: &Location) -> Self {
        let last = location.nodes().len().saturating_sub(1);
        Self([(last, Condition::MustNotExist)].into())
    }

    /// Takes the tests of a location together. On a mistake, its text.
    ///
    /// Gatekeeper's check for a child that must exist below a parent that must not compares positions in the list of
    /// tests, not depths. Kept: what it refuses cannot be stored in a cluster, and what it takes must be taken.
    pub(super) fn new(location: &Location, tests: &[(Location, Condition)]) -> Result<Self, String> {
        if let Some((path, _)) = tests.iter().find(|(path, _)| !path.is_prefix_of(location)) {
            return Err(format!(
                "all subpaths must be a prefix of the `location` value of the mutation: subpath {} is not a prefix of \
                 location {}",
                shown(path),
                shown(location)
            ));
        }
        // By the number of steps: the root has none, and no test of it is ever asked.
        let by_length: BTreeMap<usize, (&Location, Condition)> =
            tests.iter().map(|(path, condition)| (path.nodes().len(), (path, *condition))).collect();
        for (path, condition) in tests {
            if by_length.get(&path.nodes().len()).is_some_and(|(_, last)| last != condition) {
                let path = shown(path);
                return Err(format!("{CONFLICT}: path {path} is marked both MustExist and MustNotExist"));
            }
        }
        let position = |wanted| move |(_, condition): &(Location, Condition)| *condition == wanted;
        let first_must_not = tests.iter().position(position(Condition::MustNotExist));
        let last_must = tests.iter().rposition(position(Condition::MustExist)).unwrap_or_default();
        if let Some(first_must_not) = first_must_not.filter(|first| *first < last_must) {
            let at = |depth: usize| by_length.get(&(depth + 1)).map_or("<nil>".to_owned(), |(path, _)| shown(path));
            let (child, parent) = (at(last_must), at(first_must_not));
            return Err(format!("{CONFLICT}: path {child} is marked MustExist but parent {parent} MustNotExist"));
        }
        let of_steps =
            |(length, (_, condition)): (usize, (&Location, Condition))| Some((length.checked_sub(1)?, condition));
        Ok(Self(by_length.into_iter().filter_map(of_steps).collect()))
    }

    /// Whether something may be there at a step, from 0.
    pub fn allows_existing(&self, step: usize) -> bool {
        self.0.get(&step) != Some(&Condition::MustNotExist)
    }

    /// Whether nothing may be there at a step, from 0.
    pub fn allows_missing(&self, step: usize) -> bool {
        self.0.get(&step) != Some(&Condition::MustExist)
    }
}

const CONFLICT: &str = "conflicting path test conditions";

fn shown(location: &Location) -> String {
    quote(&location.to_string())
}
