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
mod ignore;
mod judge;
mod kinds;
mod left_out;
mod policies;
pub mod report;
pub mod rules;
mod rules_of_policies;

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::bundle::{self, Bundle, BundledObject};
use super::diagnostic::Diagnostic;
use crate::model::api::Process;
use crate::model::object::ObjectKey;
use crate::policy::expansion::Referents;
use crate::policy::snapshot::BuildOptions;

use finding::{Finding, Place, Rule, Severity};
use ignore::Ignores;
use judge::Judge;
pub use left_out::LeftOut;
use report::Places;
use rules_of_policies::Rules;

/// What lint works on.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Templates, constraints and what else says how to judge.
    pub policies: Vec<BundledObject>,
    /// What is in a cluster: the policies there, its Configs, Namespaces and inventory.
    pub cluster: Option<Cluster>,
    /// What is judged. All of it is inventory, too.
    pub manifests: Vec<BundledObject>,
    /// By which names files are the same, however they were named.
    pub places: Places,
}

/// A cluster, as far as it counts for a verdict.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Its objects.
    pub objects: Vec<BundledObject>,
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
    pub read: Vec<BundledObject>,
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
    fn of(bundled: &BundledObject) -> Self {
        let document = &bundled.document;
        Self { object: bundled.object.key(), place: Place::of(document, document.location()) }
    }
}

/// Judges all manifests by all policies. `judged` is called once for each object.
pub fn lint(inputs: Inputs, options: Options, judged: &(dyn Fn() + Sync)) -> Report {
    let Inputs { policies, cluster, manifests, places } = inputs;
    let mut findings = rules::check(&policies, &manifests, options.build.compile.access);
    // Who lints manifests has seldom written the policies: these are linted where they are what is linted.
    let linted: HashSet<&str> = manifests.iter().map(|one| one.document.source().name().as_ref()).collect();
    findings.retain(|finding| linted.contains(finding.place.location.file.as_ref()));
    let (objects, namespace) = cluster.map(|one| (one.objects, one.namespace)).unwrap_or_default();
    // What is in the files takes the place of what is in the cluster.
    let all = objects.into_iter().chain(policies).chain(manifests.iter().cloned());
    let (bundle, mut problems) = bundle::assemble(all.collect(), &namespace, options.build);
    let Bundle { snapshot, objects: read } = bundle;
    let ignores = Ignores::of(&read.iter().collect::<Vec<_>>());
    let files = ignores.files();
    let rules = Rules::of(&snapshot);
    let is_judged = |one: &&BundledObject| {
        let object = &one.object;
        let (gvk, namespace) = (object.gvk(), object.namespace());
        let exclusions = snapshot.exclusions();
        !bundle::is_policy(gvk) && !exclusions.excludes_object(Process::Webhook, gvk, namespace, object.name())
    };
    let manifests: Vec<&BundledObject> = manifests.iter().filter(is_judged).collect();
    let referents: Option<Referents> = options.expands.then(|| read.iter().map(|one| &one.object).collect());
    let by_key = read.iter().map(|one| (one.object.key(), one)).collect();
    let judge = Judge { snapshot: &snapshot, rules: &rules, referents: referents.as_ref(), by_key: &by_key };
    let results: Vec<Result<Vec<Finding>, Diagnostic>> = manifests
        .par_iter()
        .map(|object| {
            // Comments are about places, so that these have to be known.
            let finds_fields = options.finds_fields || files.contains(object.document.source().name());
            let found = judge.judge(object, finds_fields);
            judged();
            found.map_err(|failure| Diagnostic::at(&object.document, &object.document.location(), failure.to_string()))
        })
        .collect();
    for result in results {
        match result {
            Ok(mut found) => findings.append(&mut found),
            Err(problem) => problems.push(problem),
        }
    }
    let rules = rules.with_own(&findings);
    let judged = manifests.iter().map(|one| Judged::of(one)).collect();
    let mut report = Report { findings, problems, rules, objects: manifests.len(), judged, ..Report::default() };
    finish(&mut report, read, &ignores, &places, options.today);
    report
}

/// Orders and numbers findings, and takes out what comments ignore.
fn finish(report: &mut Report, read: Vec<BundledObject>, ignores: &Ignores, places: &Places, today: jiff::civil::Date) {
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
