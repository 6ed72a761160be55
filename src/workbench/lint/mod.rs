//! Manifests judged by policies, each violation at the line that caused it: `admit lint`.
//!
//! ```text
//! documents ─► objects ─┬─ policies ──► snapshot
//!                       └─ manifests ─► validate ─► Violation ─ blame ─► field ─ spans ─► Finding
//!                                             Finding ─ ignore ─► Report ─ baseline ─ changes ─► what is reported
//! ```
//!
//! The verdict is the webhook's, because it is the same call. Deliberately absent: reading files (`manifest`), printing
//! (`report`), and what follows from findings (`cli`).

pub mod baseline;
pub mod changes;
pub mod finding;
mod fingerprint;
pub mod fix;
mod ignore;
mod judge;
mod kinds;
mod left_out;
mod manifest;
mod policies;
pub mod report;
pub mod rules;
mod rules_of_policies;
mod samples;

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::bundle::{self, BundledObject};
use super::cores::on_all_cores;
use super::diagnostic::Diagnostic;
use crate::model::api::Process;
use crate::model::object::ObjectKey;
use crate::policy::expansion::Referents;
use crate::policy::snapshot::{BuildOptions, Store};

use finding::{Finding, Place, Rule, Severity};
use ignore::Ignores;
use judge::Judge;
pub use left_out::LeftOut;
pub use manifest::Manifest;
use policies::SUITES_GROUP;
use report::Places;
use rules_of_policies::Rules;
use samples::Samples;

/// What lint works on.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Templates, constraints and what else says how to judge.
    pub policies: Vec<Manifest>,
    /// Mutators that are not in force and only propose fixes. Those among the policies do both.
    pub mutators: Vec<Manifest>,
    /// What is in a cluster: the policies there, its Configs, Namespaces and inventory.
    pub cluster: Option<Cluster>,
    /// What is judged. All of it is inventory, too.
    pub manifests: Vec<Manifest>,
    /// By which names files are the same, however they were named.
    pub places: Places,
}

/// A cluster, as far as it counts for a verdict.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Its objects.
    pub objects: Vec<Manifest>,
    /// The namespace of its Config.
    pub namespace: String,
}

/// How lint works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How policies are built.
    pub build: BuildOptions,
    /// Whether the field is looked for that a violation is about.
    pub finds_fields: bool,
    /// Whether what a workload would create is judged, too.
    pub expands: bool,
    /// What comments that ignore a finding until some day are measured by.
    pub today: jiff::civil::Date,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of places.
    pub findings: Vec<Finding>,
    /// Inputs that could not be used. The rest was judged all the same.
    pub problems: Vec<Diagnostic>,
    /// Rules that were in force.
    pub rules: Vec<Arc<Rule>>,
    /// How many objects were judged.
    pub objects: usize,
    /// They themselves, for reports that show what passed, too.
    pub judged: Vec<Judged>,
    /// Everything that was read.
    pub read: Vec<Manifest>,
    /// What was found and is not in `findings`.
    pub left_out: LeftOut,
}

/// An object that was judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Which one.
    pub object: ObjectKey,
    /// Where it starts.
    pub place: Place,
}

impl Report {
    /// How many constraints were in force.
    pub fn constraints(&self) -> usize {
        self.rules.iter().filter(|rule| !rule.constraint.is_empty()).count()
    }

    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl Judged {
    fn of(manifest: &Manifest) -> Self {
        Self { object: manifest.key(), place: manifest.place() }
    }
}

/// Judges all manifests by all policies, on all cores. `judged` is called once for each object.
pub fn lint(inputs: Inputs, options: Options, judged: &(dyn Fn() + Sync)) -> Report {
    on_all_cores(|| run(inputs, options, judged))
}

fn run(inputs: Inputs, options: Options, judged: &(dyn Fn() + Sync)) -> Report {
    let Inputs { policies, mutators, cluster, manifests, places } = inputs;
    let samples = Samples::of(&whole(&manifests));
    let all = manifests.len();
    let manifests: Vec<Manifest> = manifests.into_iter().filter(|one| !samples.has(one)).collect();
    let left_out = LeftOut { samples: all - manifests.len(), ..LeftOut::default() };
    let subjects: Vec<_> = whole(&manifests).into_iter().filter(|one| !samples.has_invalid(one)).collect();
    let mut findings = rules::check(&whole(&policies), &subjects, options.build.compile.access);
    // Who lints manifests has seldom written the policies: these are linted where they are what is linted.
    let linted: HashSet<&str> = manifests.iter().map(|one| one.source().name().as_ref()).collect();
    findings.retain(|finding| linted.contains(finding.place.location.file.as_ref()));
    let (objects, namespace) = cluster.map(|one| (one.objects, one.namespace)).unwrap_or_default();
    // What is in the files takes the place of what is in the cluster.
    let read: Vec<Manifest> = objects.into_iter().chain(policies).chain(manifests.iter().cloned()).collect();
    let sync = |store: &mut Store| read.iter().for_each(|one| one.sync(store));
    let in_use: Vec<_> = whole(&read).into_iter().filter(|one| !samples.has_constraint(one)).collect();
    let (snapshot, mut problems) = bundle::compile(&in_use, sync, &namespace, options.build);
    let mutations = fix::mutations(&in_use, &whole(&mutators), options.build, &mut problems);
    let ignores = Ignores::of(&read);
    let files = ignores.files();
    let rules = Rules::of(&snapshot);
    let is_judged = |one: &&Manifest| {
        let (gvk, exclusions) = (one.gvk(), snapshot.exclusions());
        !bundle::is_policy(gvk)
            && gvk.group != SUITES_GROUP
            && !exclusions.excludes_object(Process::Webhook, gvk, one.namespace(), one.name())
    };
    let manifests: Vec<&Manifest> = manifests.iter().filter(is_judged).collect();
    let others = if options.expands { referents(&read) } else { Vec::new() };
    let referents: Option<Referents> = options.expands.then(|| others.iter().map(|one| &one.object).collect());
    let by_key = others.iter().map(|one| (one.object.key(), one)).collect();
    let judge = Judge {
        snapshot: &snapshot,
        mutations: &mutations,
        rules: &rules,
        referents: referents.as_ref(),
        by_key: &by_key,
    };
    let judge_one = |manifest: &&Manifest| {
        // Comments are about places, so that these have to be known.
        let finds_fields = options.finds_fields || files.contains(manifest.source().name());
        let found = judge.judge(manifest, finds_fields);
        judged();
        found
    };
    let results: Vec<Result<Vec<Finding>, Diagnostic>> = manifests.par_iter().map(judge_one).collect();
    for result in results {
        match result {
            Ok(mut found) => findings.append(&mut found),
            Err(problem) => problems.push(problem),
        }
    }
    let rules = rules.with_own(&findings);
    let judged = manifests.iter().map(|one| Judged::of(one)).collect();
    let mut report =
        Report { findings, problems, rules, objects: manifests.len(), judged, left_out, ..Report::default() };
    finish(&mut report, read, &ignores, &places, options.today);
    report
}

/// Those that are not packed.
fn whole(manifests: &[Manifest]) -> Vec<&BundledObject> {
    manifests.iter().filter_map(Manifest::whole).collect()
}

/// What generators may take a template from, when one of them may.
fn referents(read: &[Manifest]) -> Vec<BundledObject> {
    if !read.iter().any(|one| Referents::are_asked_by(one.gvk())) {
        return Vec::new();
    }
    // What cannot be opened is told when it is judged.
    read.iter().filter(|one| Referents::can_be(one.gvk())).filter_map(|one| one.open().ok()).collect()
}

/// Orders and numbers findings, and takes out what comments ignore.
fn finish(report: &mut Report, read: Vec<Manifest>, ignores: &Ignores, places: &Places, today: jiff::civil::Date) {
    let sort = |findings: &mut Vec<Finding>| findings.sort_by(|one, other| one.order().cmp(&other.order()));
    let findings = &mut report.findings;
    sort(findings);
    // Before anything is taken out, which would change the numbers of others.
    fingerprint::assign(findings, &read, places);
    let (ignored, mut about_ignores) = ignores.apply(findings, &report.rules, today);
    fingerprint::assign(&mut about_ignores, &read, places);
    findings.append(&mut about_ignores);
    sort(findings);
    report.left_out.ignored = ignored;
    report.read = read;
}
