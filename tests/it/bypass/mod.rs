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
//! Deliberately absent: what the API server refuses before any webhook is asked, such as hostPorts of ephemeral containers.

mod images;
mod places;
mod shapes;

use std::fmt;

use admit::policy::snapshot::{BuildOptions, Snapshot};
use admit::workbench::bundle::{assemble, read_objects};
use admit::workbench::library::{self, Choice, Pack};
use rayon::prelude::*;
use serde_json::Value;

use places::Place;
use shapes::Shape;

/// The packs that nothing may slip through.
const PACKS: [&str; 3] = ["pod-security-baseline", "pod-security-restricted", "supply-chain"];

/// What must come of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Denied,
    Allowed,
    /// Whatever is in a Pod, it may be deleted.
    MayGo,
}

/// A change to the good Pod, and for which packs it counts.
#[derive(Clone, Debug)]
pub(super) struct Change {
    name: String,
    packs: Vec<String>,
    /// Kinds of constraints of which a pack must have one, or it has no opinion.
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
    /// A repository that the pack approves of.
    approved: String,
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
}

impl Guard {
    fn of(name: &'static str) -> Self {
        let embedded = library::find_pack(name).unwrap_or_else(|unknown| panic!("{unknown}"));
        let choice = Choice::new(embedded, Some(admit::model::api::EnforcementAction::Deny));
        let (objects, problems) = read_objects(library::documents(&[choice]));
        assert!(problems.is_empty(), "{problems:?}");
        let (bundle, problems) = assemble(objects, "", BuildOptions::default());
        assert!(problems.is_empty(), "{problems:?}");
        let pack = Pack::read(embedded);
        let kinds = pack.kinds().into_iter().map(str::to_owned).collect();
        Self { name, kinds, snapshot: bundle.snapshot, approved: images::approved(&pack) }
    }

    fn all() -> Vec<Self> {
        PACKS.into_iter().map(Self::of).collect()
    }
}

/// Judges all variants of all changes.
fn holes(guard: &Guard, base: &Value, changes: &[Change], expected: Expected) -> (Vec<Hole>, usize) {
    let changes: Vec<&Change> = changes.iter().filter(|change| change.counts_for(guard)).collect();
    let variants: Vec<(&Change, Place, Shape)> = changes
        .into_iter()
        .flat_map(|change| Place::of(change).into_iter().map(move |place| (change, place)))
        .flat_map(|(change, place)| {
            Shape::of(change, place, expected).into_iter().map(move |shape| (change, place, shape))
        })
        .collect();
    let count = variants.len();
    let judge = |(change, place, shape): (&Change, Place, Shape)| {
        let good = place
            .pod(base, &Change { container: Value::Null, pod: Value::Null, others: Value::Null, ..change.clone() });
        let (good, pod) =
            (images::approve(good, &guard.approved), images::approve(place.pod(base, change), &guard.approved));
        let (object, denials) = shape.judge(&guard.snapshot, &good, &pod);
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
        writeln!(formatter, "## {pack}: {change}; {place:?}, {shape:?}: {judged}")?;
        let yaml = serde_saphyr::to_string(object).map_err(|_| fmt::Error)?;
        writeln!(formatter, "```yaml\n{}\n```", yaml.trim_end())
    }
}

#[track_caller]
fn check(part: &str, expected: Expected, least: usize) {
    let data = data();
    let changes = Change::all(&data[part]);
    let changes = if part == "flaws" { [changes, images::look_alikes()].concat() } else { changes };
    let (mut all, mut judged) = (Vec::new(), 0);
    for guard in Guard::all() {
        let (found, count) = holes(&guard, &data["base"], &changes, expected);
        assert!(count > 0, "{}: nothing to judge", guard.name);
        all.extend(found);
        judged += count;
    }
    // The same hole in another shape tells nothing new, beyond the first few.
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    let names: std::collections::BTreeSet<String> =
        all.iter().map(|hole| format!("{}: {} ({:?}, {:?})", hole.pack, hole.change, hole.place, hole.shape)).collect();
    let listed = names.into_iter().collect::<Vec<_>>().join("\n");
    let shown = texts.iter().take(10).cloned().collect::<String>();
    assert!(all.is_empty(), "{} of {judged} variants:\n{listed}\n\nthe first of them:\n{shown}", all.len());
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
