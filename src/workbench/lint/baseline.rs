//! Findings that were there before: a file of fingerprints with a few words each, so that its changes can be reviewed.
//!
//! One entry stands on one line, in the order of files, objects and rules: adding or mending one finding changes one
//! line. Deliberately absent: reading and writing the file (`cli`).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Precision};
use super::fingerprint::identity;
use super::report::Places;
use super::{Report, finding};

/// What this version writes and reads.
const VERSION: u64 = 1;

/// Findings that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    entries: Vec<Entry>,
}

/// One known finding. Only the fingerprint decides; the rest is for people, and for telling what is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    #[serde(default)]
    file: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    field: String,
    #[serde(default)]
    message: String,
    fingerprint: String,
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Deserialize)]
struct Body {
    findings: Vec<Entry>,
}

/// Why a text is no baseline: the place, and what was found and expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct BaselineError {
    line: usize,
    column: usize,
    message: String,
}

impl Baseline {
    /// All findings of a report.
    pub fn of(report: &Report, places: &Places) -> Self {
        let mut entries: Vec<Entry> = report.findings.iter().map(|finding| Entry::of(finding, places)).collect();
        entries.sort();
        Self { entries }
    }

    /// Reads what [`Baseline::render`] wrote.
    ///
    /// # Errors
    /// When it is no baseline, or one of a later version.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let error = |error: serde_json::Error| BaselineError {
            line: error.line(),
            column: error.column(),
            message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        };
        // The version first: what follows may look different in another one.
        let Head { version } = serde_json::from_str(text).map_err(error)?;
        if version != VERSION {
            let message = format!("found version {version}, expected {VERSION}; a newer admit wrote it");
            return Err(BaselineError { line: 1, column: 1, message });
        }
        let Body { findings } = serde_json::from_str(text).map_err(error)?;
        Ok(Self { entries: findings })
    }

    /// The same findings as the same bytes.
    pub fn render(&self) -> String {
        // Values of JSON can always be written.
        let entry = |entry: &Entry| format!("    {}", serde_json::to_string(entry).unwrap_or_default());
        let entries: Vec<String> = self.entries.iter().map(entry).collect();
        let list = if entries.is_empty() { "[]".to_owned() } else { format!("[\n{}\n  ]", entries.join(",\n")) };
        format!("{{\n  \"version\": {VERSION},\n  \"findings\": {list}\n}}\n")
    }

    /// How many findings it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes what is known out of a report. Entries of files that were not looked at are not gone, unless `is_gone` says
    /// that the file is.
    pub fn apply(&self, report: &mut Report, places: &Places, is_gone: &dyn Fn(&str) -> bool) {
        let known = self.matches(&report.findings);
        let names: HashSet<&str> = report.read.iter().map(|one| one.source().name().as_ref()).collect();
        // Older baselines have files by the names that they were given.
        let files: HashSet<String> = names.iter().flat_map(|name| [places.path(name), (*name).to_owned()]).collect();
        let used: HashSet<usize> = known.iter().flatten().copied().collect();
        let unused = self.entries.iter().enumerate().filter(|(index, _)| !used.contains(index));
        let gone = unused.filter(|(_, entry)| files.contains(entry.file.as_str()) || is_gone(&entry.file)).count();
        report.left_out.known += used.len();
        report.left_out.gone += gone;
        let mut known = known.into_iter();
        report.findings.retain(|_| known.next().flatten().is_none());
    }

    /// For each finding the entry that knows it; each entry knows one.
    fn matches(&self, findings: &[Finding]) -> Vec<Option<usize>> {
        let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate().rev() {
            exact.entry(&entry.fingerprint).or_default().push(index);
        }
        let mut take = |finding: &Finding| exact.get_mut(finding.fingerprint.as_str())?.pop();
        let mut known: Vec<Option<usize>> = findings.iter().map(&mut take).collect();
        // Where one side does not know the field, as with `--no-blame`, the rest of the fingerprint has to do.
        let used: HashSet<usize> = known.iter().flatten().copied().collect();
        let mut rest: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate().rev().filter(|(index, _)| !used.contains(index)) {
            rest.entry(identity(&entry.fingerprint)).or_default().push(index);
        }
        for (finding, slot) in findings.iter().zip(&mut known).filter(|(_, slot)| slot.is_none()) {
            let Some(entries) = rest.get_mut(identity(&finding.fingerprint)) else { continue };
            let is_vague = |index: &usize| self.entries.get(*index).is_some_and(|entry| entry.field.is_empty());
            let is_match = |index: &usize| finding.precision == Precision::Object || is_vague(index);
            *slot = entries.iter().rposition(is_match).map(|at| entries.remove(at));
        }
        known
    }
}

impl Entry {
    fn of(finding: &Finding, places: &Places) -> Self {
        let finding::Rule { id, constraint, .. } = finding.rule.as_ref();
        let slash = if constraint.is_empty() { "" } else { "/" };
        Self {
            file: places.path(&finding.place.location.file),
            object: finding.object.to_string(),
            rule: format!("{id}{slash}{constraint}"),
            field: finding.missing.as_ref().unwrap_or(&finding.field).to_string(),
            message: finding.message.clone(),
            fingerprint: finding.fingerprint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read() {
        let entry = |name: &str| Entry {
            file: "a.yaml".to_owned(),
            object: "v1 Pod x/y".to_owned(),
            rule: "K/n".to_owned(),
            field: String::new(),
            message: "\"quoted\"\nwords".to_owned(),
            fingerprint: name.to_owned(),
        };
        for entries in [vec![], vec![entry("1")], vec![entry("1"), entry("2")]] {
            let baseline = Baseline { entries };
            let text = baseline.render();
            assert_eq!(Baseline::parse(&text), Ok(baseline.clone()));
            let lines = if baseline.is_empty() { 4 } else { 5 + baseline.len() };
            assert_eq!(text.lines().count(), lines);
        }
    }

    #[test]
    fn broken_files_are_told_with_their_place() {
        for (text, expected) in [
            ("", "1:0: EOF while parsing a value"),
            ("{\"version\": 1,\n \"findings\": [{]}", "2:16: "),
            ("{\"version\": 1}", "1:14: missing field `findings`"),
            ("{\"findings\": []}", "1:16: missing field `version`"),
            ("{\"version\": 2, \"findings\": {}}", "1:1: found version 2, expected 1; a newer admit wrote it"),
            ("{\"version\": 1, \"findings\": [\n{\"rule\": \"x\"}]}", "2:13: missing field `fingerprint`"),
        ] {
            let error = Baseline::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
