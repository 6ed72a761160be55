//! What suites test with: objects that break policies on purpose, and constraints made for them.
//!
//! `admit verify` judges these. Where lint reads a suite, it leaves the suite's files alone: they are neither judged nor
//! judged by. Only files in a folder for such things are samples: suites also test with the constraints that are in use, and
//! with real manifests, and these must not escape. A sample that is linted without its suite is a manifest like any other.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::manifest::Manifest;
use super::policies::{SUITES_GROUP, plain};
use crate::workbench::bundle::BundledObject;

/// Folders of which nothing is put to use.
const FOLDERS: [&str; 5] = ["fixtures", "samples", "test", "testdata", "tests"];

/// The files of suites.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Objects of cases and their inventories.
    cases: HashSet<PathBuf>,
    constraints: HashSet<PathBuf>,
    /// Constraints that are to be refused.
    invalid: HashSet<PathBuf>,
}

impl Samples {
    /// Those of the suites among these.
    pub(super) fn of(objects: &[&BundledObject]) -> Self {
        let mut samples = Self::default();
        for suite in objects.iter().filter(|one| one.object.gvk().group == SUITES_GROUP) {
            let directory = Path::new(&**suite.document.source().name()).with_file_name("");
            let place = |file: &str| is_in_folder(Path::new(file)).then(|| plain(&directory.join(file)));
            samples.add(suite, place);
            samples.add_mutations(suite, place);
        }
        samples
    }

    fn add(&mut self, suite: &BundledObject, place: impl Fn(&str) -> Option<PathBuf>) {
        for test in list(suite.object.field(&["tests"])) {
            let constraint = test.get("constraint").and_then(Json::as_str).and_then(&place);
            if test.get("invalid") == Some(&Json::Bool(true)) {
                self.invalid.extend(constraint.clone());
            }
            self.constraints.extend(constraint);
            for case in list(test.get("cases")) {
                let files = case.get("object").into_iter().chain(list(case.get("inventory")));
                self.cases.extend(files.filter_map(Json::as_str).filter_map(&place));
            }
        }
    }

    fn add_mutations(&mut self, suite: &BundledObject, place: impl Fn(&str) -> Option<PathBuf>) {
        let tests = list(suite.object.field(&["mutations"]));
        for case in tests.flat_map(|test| list(test.get("cases"))) {
            let files = ["object", "expected"].into_iter().filter_map(|key| case.get(key));
            let files = files.chain(list(case.get("inventory")));
            self.cases.extend(files.filter_map(Json::as_str).filter_map(&place));
        }
    }

    /// Whether a manifest is there to be tested with.
    pub(super) fn has(&self, manifest: &Manifest) -> bool {
        !self.cases.is_empty() && self.cases.contains(&plain(Path::new(&**manifest.source().name())))
    }

    /// Whether an object is a constraint that only suites put to use.
    pub(super) fn has_constraint(&self, object: &BundledObject) -> bool {
        self.constraints.contains(&plain(Path::new(&**object.document.source().name())))
    }

    /// Whether an object is a constraint that suites know as wrong.
    pub(super) fn has_invalid(&self, object: &BundledObject) -> bool {
        self.invalid.contains(&plain(Path::new(&**object.document.source().name())))
    }
}

/// Whether a file is in a folder for samples.
pub(super) fn is_in_folder(file: &Path) -> bool {
    let folders = file.parent().into_iter().flat_map(Path::components);
    folders.filter_map(|one| one.as_os_str().to_str()).any(|one| FOLDERS.contains(&one))
}

fn list(value: Option<&Json>) -> impl Iterator<Item = &Json> {
    value.and_then(Json::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::bundle::read_texts;

    const SUITE: &str = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nmetadata: {name: s}\ntests:\n\
        - {name: a, template: t.yaml, constraint: samples/c.yaml, cases: [{name: x, object: ./samples/x.yaml, inventory: [samples/i.yaml]}, {name: y, object: real.yaml}]}\n\
        - {name: in-use, template: t.yaml, constraint: constraint.yaml, cases: [{name: x, object: ../samples.yaml}]}\n\
        - {name: b, template: t.yaml, constraint: samples/wrong.yaml, invalid: true}\n- {name: c, cases: 7}\n- 8\n\
        mutations:\n- {name: m, mutators: [m.yaml], cases: [{name: x, object: samples/before.yaml, expected: samples/after.yaml}]}\n";

    #[test]
    fn knows_the_files_of_suites() {
        let object = |kind: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n");
        let names = [
            "p/samples/x.yaml",
            "p/samples/i.yaml",
            "p/samples/c.yaml",
            "p/samples/wrong.yaml",
            "p/samples/before.yaml",
            "p/samples/after.yaml",
            "p/other.yaml",
            "p/real.yaml",
            "p/constraint.yaml",
            "samples.yaml",
        ];
        let pod = object("Pod");
        let files: Vec<_> = names.iter().map(|name| (*name, pod.as_str())).chain([("p/suite.yaml", SUITE)]).collect();
        let (objects, problems) = read_texts(&files);
        assert_eq!(problems, []);
        let samples = Samples::of(&objects.iter().collect::<Vec<_>>());
        let which = |has: &dyn Fn(&BundledObject) -> bool| -> Vec<bool> { objects.iter().map(has).collect() };
        let [yes, no] = [true, false];
        assert_eq!(
            which(&|one| samples.has(&Manifest::new(one.clone()))),
            [yes, yes, no, no, yes, yes, no, no, no, no, no]
        );
        assert_eq!(which(&|one| samples.has_constraint(one)), [no, no, yes, yes, no, no, no, no, no, no, no]);
        assert_eq!(which(&|one| samples.has_invalid(one)), [no, no, no, yes, no, no, no, no, no, no, no]);
    }
}
