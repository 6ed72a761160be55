//! Every suite under `policies/` passes: the same builder and the same call as in the cluster.

use std::path::{Path, PathBuf};

use admit::policy::engine::{CompileOptions, RegoEngine};
use admit::policy::snapshot::BuildOptions;
use admit::workbench::suite::report::{Format, render};
use admit::workbench::suite::{Failure, Filter, SuiteOutcome, Suites};

/// Every case is judged twice, by evaluators that know nothing of each other.
fn both_engines() -> BuildOptions {
    BuildOptions {
        compile: CompileOptions { engine: RegoEngine::Both, ..CompileOptions::default() },
        ..BuildOptions::default()
    }
}

#[test]
fn every_suite_of_the_library_passes() {
    let suites = Suites::load(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/...")]);
    assert_eq!((suites.errors.as_slice(), suites.warnings.as_slice()), (&[][..], &[][..]));
    let outcomes = suites.run(&Filter::All, both_engines());
    let has_failed = outcomes.iter().any(SuiteOutcome::has_failed);
    assert!(!has_failed, "{}", render(Format::Text { verbose: false }, &outcomes));
    let cases: usize = outcomes.iter().flat_map(|suite| &suite.tests).map(|test| test.cases.len()).sum();
    assert!(outcomes.len() >= 70 && cases >= 3_000, "{} suites, {cases} cases", outcomes.len());
}

/// The public library's folder, and ours for the same policies.
const SETS: [(&str, &str); 2] = [("general", "general"), ("pod-security-policy", "pod-security")];

/// Constraints and objects that people have keep their verdicts: the public library's suites, with our template in place of
/// theirs. Messages may be others. `GATEKEEPER_LIBRARY=… cargo test --test all drop_in -- --ignored --nocapture`.
#[test]
#[ignore = "needs the public library, whose folder `library` GATEKEEPER_LIBRARY names"]
fn templates_are_drop_in() {
    let library = std::env::var("GATEKEEPER_LIBRARY").expect("GATEKEEPER_LIBRARY names the folder `library`");
    let scratch = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (theirs, ours) in SETS {
        for folder in folders(&Path::new(&library).join(theirs)) {
            let name = folder.file_name().unwrap();
            let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(ours).join(name);
            let copy = scratch.path().join(theirs).join(name);
            copy_all(&folder, &copy);
            std::fs::copy(template.join("template.yaml"), copy.join("template.yaml")).unwrap();
            count += 1;
        }
    }
    assert!(count >= 49, "{count} policies");
    let suites = Suites::load(&[scratch.path().join("...")]);
    assert_eq!(suites.errors.as_slice(), &[]);
    let outcomes = suites.run(&Filter::All, BuildOptions::default());
    let tests = outcomes.iter().flat_map(|suite| &suite.tests);
    let cases: Vec<_> = tests.flat_map(|test| &test.cases).collect();
    // The verdict is the same and the words are not: something was said, and an assertion on what.
    let is_of_words = |failure: &Failure| match failure {
        Failure::Assertion(found) => {
            found.message.contains(" containing ") && !found.message.ends_with("got messages []")
        }
        Failure::Input(_) => false,
    };
    let differing = cases.iter().filter_map(|case| Some((&case.name, case.status.failure()?)));
    let differing: Vec<_> = differing.filter(|(_, failure)| !is_of_words(failure)).collect();
    assert!(cases.len() >= 250 && differing.is_empty(), "{} cases: {differing:#?}", cases.len());
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("suite.yaml").is_file()).collect()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
