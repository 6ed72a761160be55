//! Fixes that lint offers, all of them, on the samples of the policies that come with admit: what is written mends what it says,
//! breaks nothing, and leaves the rest of the text alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit::manifest::{ReadOptions, Source, flatten, parse};
use admit::policy::snapshot::BuildOptions;
use admit::workbench::bundle::{self, read_objects};
use admit::workbench::library::{self, Choice};
use admit::workbench::lint::fix::{Proposer, texts};
use admit::workbench::lint::report::Places;
use admit::workbench::lint::{Inputs, Manifest, Options, Report, lint};

/// One of so many files is judged again as it was mended, which takes a second each.
const CHECKED: usize = 5;

fn policies() -> Vec<Manifest> {
    let packs = ["pod-security-restricted:deny", "operations:warn"].map(|name| name.parse::<Choice>().unwrap());
    let (found, problems) = read_objects(library::documents(&packs));
    assert_eq!(problems, []);
    found.into_iter().map(Manifest::new).collect()
}

fn mutators() -> Vec<Manifest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/mutation");
    let names = ["run-as-non-root", "seccomp-runtime-default", "no-privilege-escalation", "drop-all-capabilities"];
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(format!("{name}.yaml"))).collect();
    let (mutators, problems) = bundle::read(&paths, None, &ReadOptions::lint(), Manifest::new);
    assert_eq!(problems, []);
    mutators
}

fn judge(mutators: Vec<Manifest>, manifests: Vec<Manifest>) -> Report {
    let today = jiff::civil::date(2026, 1, 1);
    let options = Options { build: BuildOptions::default(), finds_fields: true, expands: true, today };
    let places = Places::new(Path::new("/"), None);
    lint(Inputs { policies: policies(), mutators, manifests, places, cluster: None }, options, &|| ())
}

/// Objects of samples that are judged as they are.
fn samples() -> Vec<Manifest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/pod-security");
    let mut manifests = Vec::new();
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("samples")) {
        let (found, _) = bundle::read(&[folder], None, &ReadOptions::lint(), Manifest::new);
        manifests.extend(found);
    }
    manifests.retain(|one| matches!(one.gvk().kind.as_str(), "Pod" | "Deployment" | "CronJob" | "DaemonSet"));
    manifests
}

/// The messages in a file, each with how often it stands there.
fn by_file(report: &Report) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut files: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for finding in &report.findings {
        let words = format!("{} {} {:?}", finding.rule.constraint, finding.message, finding.implied);
        let file = files.entry(finding.place.location.file.to_string()).or_default();
        *file.entry(words).or_default() += 1;
    }
    files
}

#[track_caller]
fn check(mutators: &[Manifest], least: (usize, usize)) {
    let report = judge(mutators.to_vec(), samples());
    let before = by_file(&report);
    let (mut by_mutators, mut by_policy) = (0, 0);
    for fix in report.findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        match fix.by {
            Proposer::Mutators(_) => by_mutators += 1,
            Proposer::Policy => by_policy += 1,
        }
    }
    let (fixed, unfixable) = texts(&report, true);
    assert_eq!(unfixable, []);
    for text in fixed.iter().step_by(CHECKED) {
        assert_eq!(text.edited.anew, [], "{}", text.source.name());
        let source = Arc::new(Source::new(Arc::clone(text.source.name()), text.edited.text.clone()));
        let documents = parse(&source).0.into_iter().flat_map(|document| flatten(document).0).collect();
        let (objects, problems) = read_objects(documents);
        assert_eq!(problems, []);
        let manifests: Vec<Manifest> = objects.into_iter().map(Manifest::new).collect();
        let after = by_file(&judge(mutators.to_vec(), manifests));
        let (name, none) = (text.source.name().to_string(), BTreeMap::new());
        let (before, after) = (&before[&name], after.get(&name).unwrap_or(&none));
        for (words, count) in after {
            assert!(before.get(words).is_some_and(|known| count <= known), "{name}: {words}\n{}", text.edited.text);
        }
        let count = |all: &BTreeMap<String, usize>| all.values().sum::<usize>();
        assert_eq!(count(before) - count(after), text.findings, "{name}\n{}", text.diff());
    }
    assert!(by_mutators >= least.0 && by_policy >= least.1, "{by_mutators} by mutators, {by_policy} by policies");
}

#[test]
fn what_policies_leave_no_choice_about_mends() {
    check(&[], (0, 20));
}

#[test]
fn what_mutators_make_mends() {
    check(&mutators(), (20, 1));
}
