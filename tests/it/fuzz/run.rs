//! One case after the other: made from a seed, judged by all who are there, shrunk when they differ.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admit::model::api::RegoVersion;
use serde_json::Value;

use super::judge::{Judge, Subject};
use super::random::Random;
use super::repair::repaired;
use super::shrink::shrink;
use super::{mutate, policy, seeds, text, values};

/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Findings that are shrunk; the others only count.
const SHOWN: usize = 40;

/// Since when the present case runs, and its text.
type Present = Arc<Mutex<Option<(Instant, String)>>>;

pub(super) struct Run {
    seed: u64,
    judge: Judge,
    seeds: Vec<Subject>,
    cases: u64,
    findings: usize,
    shown: BTreeSet<String>,
    present: Present,
}

impl Run {
    pub(super) fn new(seed: u64, opa: Option<&Path>) -> Self {
        let present = Present::default();
        let watched = present.clone();
        std::thread::spawn(move || watch(&watched));
        let (judge, seeds) = (Judge::new(opa), seeds::all());
        Self { seed, judge, seeds, cases: 0, findings: 0, shown: BTreeSet::new(), present }
    }

    pub(super) fn for_time(&mut self, time: Duration) {
        let started = Instant::now();
        let mut case = 0;
        while started.elapsed() < time {
            self.case(case);
            case += 1;
            if case.is_multiple_of(1_000) {
                println!("{case} cases, {} findings, {:?}", self.findings, self.judge.counts);
            }
        }
    }

    pub(super) fn case(&mut self, case: u64) {
        let mut random = Random::new(self.seed.wrapping_mul(1 << 32).wrapping_add(case));
        let version = if random.percent(50) { RegoVersion::V0 } else { RegoVersion::V1 };
        self.cases += 1;
        if case % 4 == 3 {
            self.text(&mut random, version, case);
        } else {
            self.policy(&mut random, version, case);
        }
        *self.present.lock().unwrap() = None;
    }

    pub(super) fn finish(self) {
        println!("{} cases, {} findings, {:?}", self.cases, self.findings, self.judge.counts);
        assert_eq!(self.findings, 0, "see above");
    }

    fn begin(&self, text: &str) {
        *self.present.lock().unwrap() = Some((Instant::now(), text.to_owned()));
        let _ = std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-case.txt"), text);
    }

    /// Something that need not be Rego.
    fn text(&mut self, random: &mut Random, version: RegoVersion, case: u64) {
        let source = match random.below(10) {
            0..=1 => mutate::noise(random),
            2..=5 => {
                let source = policy::module(random, version);
                mutate::text(random, &source)
            }
            _ => {
                let source = random.pick(&self.seeds).text.clone();
                mutate::text(random, &source)
            }
        };
        self.begin(&source);
        if let Some(fault) = text::fault(&source, version) {
            let shrunk = shrink(&source, &mut |text| text::fault(text, version) == Some(fault));
            self.report(case, version, fault.to_owned(), &shrunk, "");
        }
        let subject = Subject { text: source, version, inputs: vec![values::document(random)], each: false };
        self.judge(subject, case);
    }

    /// Something that is Rego, nearly always.
    fn policy(&mut self, random: &mut Random, version: RegoVersion, case: u64) {
        let input = values::document(random);
        let inputs = vec![values::changed(random, &input), input];
        let each = random.percent(40);
        let subject = match random.below(10) {
            0..=5 => Subject { text: repaired(&policy::module(random, version), version), version, inputs, each },
            6 => {
                let source = repaired(&policy::module(random, version), version);
                Subject { text: mutate::gentle(random, &source), version, inputs, each }
            }
            _ => {
                let seed = random.pick(&self.seeds).clone();
                let own: Vec<Value> = seed.inputs.iter().map(|input| values::changed(random, input)).collect();
                let text = mutate::gentle(random, &seed.text);
                Subject { text, inputs: if own.is_empty() { inputs } else { own }, each, ..seed }
            }
        };
        self.begin(&subject.text);
        if let Some(fault) = text::fault(&subject.text, subject.version) {
            let shrunk = shrink(&subject.text, &mut |text| text::fault(text, subject.version) == Some(fault));
            self.report(case, subject.version, fault.to_owned(), &shrunk, "");
        }
        self.judge(subject, case);
    }

    fn judge(&mut self, subject: Subject, case: u64) {
        let Some(finding) = self.judge.finding(&subject) else { return };
        if self.shown.len() >= SHOWN {
            self.findings += 1;
            return;
        }
        let name = finding.name.clone();
        let mut subject = subject;
        if let Some(input) = &finding.input {
            subject.inputs = vec![input.clone()];
        }
        let judge = &mut self.judge;
        let present = &self.present;
        let shrunk = shrink(&subject.text, &mut |text| {
            *present.lock().unwrap() = Some((Instant::now(), text.to_owned()));
            let smaller = Subject { text: text.to_owned(), ..subject.clone() };
            judge.finding(&smaller).is_some_and(|finding| finding.name == name)
        });
        let smallest = Subject { text: shrunk.clone(), ..subject.clone() };
        let details = self.judge.finding(&smallest).map(|finding| finding.details).unwrap_or(finding.details);
        self.report(case, subject.version, name, &shrunk, &details);
    }

    fn report(&mut self, case: u64, version: RegoVersion, name: String, text: &str, details: &str) {
        self.findings += 1;
        if self.shown.insert(format!("{name}{text}")) {
            println!("--- {name} (seed {}, case {case}, {version:?})\n{text}\n{details}", self.seed);
        }
    }
}

/// Ends the process when a case hangs.
fn watch(present: &Present) {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if Arc::strong_count(present) == 1 {
            return;
        }
        let now = present.lock().unwrap().clone();
        if let Some((_, text)) = now.filter(|(since, _)| since.elapsed() > PATIENCE) {
            eprintln!("--- this hangs:\n{text}");
            std::process::exit(101);
        }
    }
}
