//! Nothing slips through the packs that are about security: sneaky variants of Pods that break one rule are denied, and
//! variants of Pods that break none are not.
//!
//! ```text
//! pods.yaml: a good Pod, flaws, harmless changes
//!     └─ places: the only container, the last of three, a sidecar, an ephemeral container …
//!          └─ shapes: a file, CREATE, generateName, UPDATE, a subresource, every workload that makes Pods
//!               └─ the pack, denying ─► every variant that is judged otherwise is printed with its YAML
//! ```
//!
//! `BYPASS_POLICIES=DIR` judges by the packs of another folder like `policies/`.
//! Deliberately absent: what the API server refuses before any webhook is asked, such as hostPorts of ephemeral containers.

mod images;
mod places;
mod quantities;
mod shapes;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use admit::model::api::EnforcementAction;
use admit::policy::snapshot::{BuildOptions, Snapshot};
use admit::workbench::bundle::{assemble, read_texts};
use admit::workbench::library::{EmbeddedPack, Pack, PackConstraint};
use rayon::prelude::*;
use serde_json::Value;

use places::Place;
use shapes::Shape;

/// The packs that nothing may slip through.
const PACKS: [&str; 4] = ["cost", "pod-security-baseline", "pod-security-restricted", "supply-chain"];

/// What must come of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Denied,
    Allowed,
    /// Whatever is in a Pod, it may be deleted.
    MayGo,
    /// What is in a Pod from before the policy cannot be changed any more, so nothing is won by refusing other changes.
    MayStay,
}

/// A change to the good Pod, and for which packs it counts.
#[derive(Clone, Debug)]
pub(super) struct Change {
    name: String,
    packs: Vec<String>,
    /// The kinds of constraints whose opinion counts; all when there is none.
    needs: Vec<String>,
    pod: Value,
    /// Of the container that is placed.
    container: Value,
    /// Of all other containers.
    others: Value,
    /// Kubernetes takes it in an ephemeral container, and in a Pod that is updated.
    is_for_ephemeral: bool,
    is_mutable: bool,
}

/// A pack that denies.
struct Guard {
    name: &'static str,
    kinds: Vec<String>,
    snapshot: Snapshot,
}

/// A variant that is judged otherwise than it must be.
struct Hole {
    pack: &'static str,
    change: String,
    place: Place,
    shape: Shape,
    object: Value,
    denials: Vec<String>,
}

fn data() -> Value {
    let source = admit::manifest::Source::new("pods.yaml", include_str!("pods.yaml").to_owned());
    let (mut documents, errors) = admit::manifest::parse(&std::sync::Arc::new(source));
    assert!(errors.is_empty(), "{errors:?}");
    documents.remove(0).into_value()
}

impl Change {
    fn read(value: &Value) -> Self {
        const KEYS: [&str; 8] = ["name", "packs", "needs", "pod", "container", "others", "ephemeral", "mutable"];
        let unknown = value.as_object().unwrap().keys().find(|key| !KEYS.contains(&key.as_str()));
        assert_eq!(unknown, None, "{value}");
        let texts = |key: &str| {
            let texts = value[key].as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        Self {
            name: value["name"].as_str().unwrap().to_owned(),
            packs: texts("packs"),
            needs: texts("needs"),
            pod: value["pod"].clone(),
            container: value["container"].clone(),
            others: value["others"].clone(),
            is_for_ephemeral: value["ephemeral"].as_bool().unwrap_or(true),
            is_mutable: value["mutable"].as_bool().unwrap_or_default(),
        }
    }

    fn all(of: &Value) -> Vec<Self> {
        of.as_array().unwrap().iter().map(Self::read).collect()
    }

    fn counts_for(&self, guard: &Guard) -> bool {
        let is_needed = self.needs.is_empty() || self.needs.iter().any(|kind| guard.kinds.contains(kind));
        self.packs.iter().any(|pack| pack == guard.name) && is_needed
    }

    /// Images can be changed in a Pod that is there, so they are judged whenever it is.
    fn counts_as(&self, expected: Expected) -> bool {
        expected != Expected::MayStay || !self.is_mutable
    }
}

impl Guard {
    /// Read from the tree: that the binary has the same is for another test.
    fn of(name: &'static str) -> Self {
        let policies = match std::env::var_os("BYPASS_POLICIES") {
            Some(elsewhere) => PathBuf::from(elsewhere),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        };
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let mut constraints = read(policies.join("packs").join(name).join("constraints.yaml"));
        // Which registries somebody trusts no pack can know.
        if name == "supply-chain" {
            constraints += include_str!("approved.yaml");
        }
        let constraints: &str = constraints.leak();
        let pack = Pack::read(&EmbeddedPack { name, constraints, readme: "" });
        let kinds: Vec<String> = pack.kinds().into_iter().map(str::to_owned).collect();
        let mut texts: Vec<(String, String)> = Vec::new();
        for set in std::fs::read_dir(&policies).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            for policy in std::fs::read_dir(set.path()).unwrap().flatten() {
                let path = policy.path().join("template.yaml");
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let is_asked = kinds.iter().any(|kind| text.contains(&format!("  name: {}\n", kind.to_lowercase())));
                texts.extend(is_asked.then(|| (path.display().to_string(), text)));
            }
        }
        assert_eq!(texts.len(), kinds.len(), "{name}: templates of {kinds:?}");
        let deny = |one: &PackConstraint| (name.to_owned(), one.with_action(&EnforcementAction::Deny).text);
        texts.extend(pack.constraints.iter().map(deny));
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (objects, problems) = read_texts(&texts);
        assert!(problems.is_empty(), "{problems:?}");
        let (bundle, problems) = assemble(objects, "", BuildOptions::default());
        assert!(problems.is_empty(), "{problems:?}");
        Self { name, kinds, snapshot: bundle.snapshot }
    }

    fn all() -> Vec<Self> {
        PACKS.into_iter().map(Self::of).collect()
    }
}

/// Judges all variants of all changes.
fn holes(guard: &Guard, base: &Value, changes: &[Change], expected: Expected) -> (Vec<Hole>, usize) {
    let changes: Vec<&Change> =
        changes.iter().filter(|change| change.counts_for(guard) && change.counts_as(expected)).collect();
    let variants: Vec<(&Change, Place, Shape)> = changes
        .into_iter()
        .flat_map(|change| Place::of(change).into_iter().map(move |place| (change, place)))
        .flat_map(|(change, place)| {
            Shape::of(change, place, expected).into_iter().map(move |shape| (change, place, shape))
        })
        .collect();
    let count = variants.len();
    let judge = |(change, place, shape): (&Change, Place, Shape)| {
        let nothing = Change { container: Value::Null, pod: Value::Null, others: Value::Null, ..change.clone() };
        let [good, pod] = [&nothing, change].map(|change| images::approve(&place.pod(base, change)));
        let (object, denials) = shape.judge(&guard.snapshot, &good, &pod);
        let counts = |(kind, _): &(String, String)| change.needs.is_empty() || change.needs.contains(kind);
        let denials: Vec<String> = denials.into_iter().filter(counts).map(|(_, denial)| denial).collect();
        let hole = Hole { pack: guard.name, change: change.name.clone(), place, shape, object, denials };
        (hole.denials.is_empty() == (expected == Expected::Denied)).then_some(hole)
    };
    (variants.into_par_iter().filter_map(judge).collect(), count)
}

impl fmt::Display for Hole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pack, change, place, shape, object, denials } = self;
        let judged =
            if denials.is_empty() { "is allowed".to_owned() } else { format!("is denied: {}", denials.join("; ")) };
        writeln!(formatter, "## {pack}: {change}; {place:?}, {}: {judged}", shape.name())?;
        let yaml = serde_saphyr::to_string(object).map_err(|_| fmt::Error)?;
        writeln!(formatter, "```yaml\n{}\n```", yaml.trim_end())
    }
}

/// One of the holes of each change in full, and in which other places and shapes it is.
fn report(holes: &[Hole]) -> String {
    let mut by_change: BTreeMap<(&str, &str), Vec<&Hole>> = BTreeMap::new();
    for hole in holes {
        by_change.entry((hole.pack, &hole.change)).or_default().push(hole);
    }
    let paragraphs = by_change.values().map(|holes| {
        let variants: Vec<String> =
            holes.iter().map(|hole| format!("{:?} {}", hole.place, hole.shape.name())).collect();
        format!("{}{} variants: {}\n\n", holes[0], holes.len(), variants.join(", "))
    });
    paragraphs.collect()
}

#[track_caller]
fn check(part: &str, expected: Expected, least: usize) {
    let data = data();
    let changes = Change::all(&data[part]);
    let more = if part == "flaws" {
        [images::bad(), quantities::bad()].concat()
    } else {
        [images::good(), quantities::good()].concat()
    };
    let changes = [changes, more].concat();
    let (mut all, mut judged) = (Vec::new(), 0);
    for guard in Guard::all() {
        let (found, count) = holes(&guard, &data["base"], &changes, expected);
        assert!(count > 0 || expected == Expected::MayStay, "{}: nothing to judge", guard.name);
        all.extend(found);
        judged += count;
    }
    assert!(all.is_empty(), "{} of {judged} variants:\n{}", all.len(), report(&all));
    assert!(judged >= least, "{judged} variants only");
}

#[test]
fn what_breaks_a_rule_is_denied_whatever_it_looks_like() {
    check("flaws", Expected::Denied, 5_000);
}

#[test]
fn what_breaks_no_rule_is_not_denied() {
    check("harmless", Expected::Allowed, 1_000);
}

#[test]
fn what_breaks_a_rule_may_be_deleted() {
    check("flaws", Expected::MayGo, 500);
}

#[test]
fn a_pod_that_is_there_already_may_be_labelled() {
    check("flaws", Expected::MayStay, 300);
}
