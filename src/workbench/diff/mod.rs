//! What another version of the policies would do to objects: who becomes denied, who allowed, what changes besides.
//!
//! Both versions judge the same objects, with the same inventory, by the call that the webhook makes.

pub mod report;
mod revision;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::bundle::{Bundle, BundledObject, assemble, is_around_policies, is_policy, read_objects};
use super::diagnostic::Diagnostic;
use super::judge::{Judgement, judge};
use super::library;
use crate::manifest;
use crate::model::object::{GroupVersionKind, ObjectKey};
use crate::policy::snapshot::BuildOptions;

/// What begins the name of a pack where a path could be.
const PACK: &str = "pack:";

/// The policies of one side with the objects, or what is wrong with them.
pub type Side = Result<Bundle, Vec<Diagnostic>>;

/// All that changes, and how many objects do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Objects of which something changes, in the order in which they were read.
    pub objects: Vec<ObjectDifference>,
    /// How many objects were judged.
    pub judged: usize,
}

/// What changes for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDifference {
    /// The object.
    pub object: ObjectKey,
    /// `file:line`
    pub place: String,
    /// Whether it was denied before, and is now.
    pub is_denied: (bool, bool),
    /// What changes, ordered by constraint.
    pub changes: Vec<Change>,
}

/// One violation that comes, goes, or becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `Kind/name` of the constraint.
    pub constraint: String,
    /// Before; none when it is new.
    pub before: Option<Stated>,
    /// Now; none when it is gone.
    pub now: Option<Stated>,
}

/// What a violation says, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stated {
    /// In the policy's words.
    pub message: String,
    /// Actions, in the order of the constraint.
    pub actions: Vec<String>,
}

impl ObjectDifference {
    /// Whether it becomes denied or allowed.
    pub fn changes_verdict(&self) -> bool {
        self.is_denied.0 != self.is_denied.1
    }
}

impl Difference {
    /// How many objects become denied.
    pub fn denied(&self) -> usize {
        self.objects.iter().filter(|one| one.is_denied == (false, true)).count()
    }

    /// How many objects become allowed.
    pub fn allowed(&self) -> usize {
        self.objects.iter().filter(|one| one.is_denied == (true, false)).count()
    }
}

/// The objects to judge; policies among them count on both sides.
///
/// # Errors
/// When something cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<BundledObject>, Vec<Diagnostic>> {
    let (documents, errors) = manifest::read(paths, None);
    let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
    let (objects, mut problems) = read_objects(documents);
    diagnostics.append(&mut problems);
    if diagnostics.is_empty() { Ok(objects) } else { Err(diagnostics) }
}

/// One version of the policies, from a path, from `REVISION:PATH` of the git repository here, or from the library by
/// `pack:NAME` or `pack:NAME:ACTION`; with the objects.
///
/// # Errors
/// When something of it cannot be read, or a policy is refused: half of the policies would say little about all of them.
pub fn side(policies: &Path, objects: &[BundledObject], options: BuildOptions) -> Side {
    let pack = policies.to_str().and_then(|text| text.strip_prefix(PACK));
    let found = match (pack, revision::parse(policies)) {
        (Some(pack), _) => of_pack(pack)?,
        (None, Some(revision)) => revision.read()?,
        (None, None) => read(&[policies.to_owned()])?,
    };
    // What else is there, such as the objects of tests, is not what this is about.
    let counts = |gvk: &GroupVersionKind| is_policy(gvk) || is_around_policies(gvk);
    let mut all: Vec<BundledObject> = found.into_iter().filter(|one| counts(one.object.gvk())).collect();
    if all.is_empty() {
        let message = "found no policy there, expected templates and constraints".to_owned();
        let place = policies.display().to_string();
        return Err(vec![Diagnostic { place, message, excerpt: None, help: None }]);
    }
    all.extend(objects.iter().cloned());
    let (mut bundle, diagnostics) = assemble(all, "", options);
    bundle.objects.retain(|one| !counts(one.object.gvk()));
    if diagnostics.is_empty() { Ok(bundle) } else { Err(diagnostics) }
}

fn of_pack(text: &str) -> Result<Vec<BundledObject>, Vec<Diagnostic>> {
    let unknown = |message| {
        let place = format!("{PACK}{text}");
        vec![Diagnostic { place, message, excerpt: None, help: None }]
    };
    let choice: library::Choice = text.parse().map_err(unknown)?;
    Ok(read_objects(library::documents(&[choice])).0)
}

/// Judges the objects of both sides, which are the same.
///
/// # Errors
/// When a policy's answer for some object cannot be had; says which side's.
pub fn compare(before: &Bundle, now: &Bundle) -> Result<Difference, String> {
    let by_place = |bundle: &Bundle, side: &str| -> Result<BTreeMap<String, Vec<Judgement>>, String> {
        let mut found: BTreeMap<String, Vec<Judgement>> = BTreeMap::new();
        for judgement in judge(bundle).map_err(|failure| format!("{side} policies: {failure}"))? {
            found.entry(identity(&judgement.object)).or_default().push(judgement);
        }
        Ok(found)
    };
    let (before, after) = (by_place(before, "the old")?, by_place(now, "the new")?);
    let mut difference = Difference { judged: now.objects.len(), ..Difference::default() };
    for one in &now.objects {
        let of = |side: &BTreeMap<String, Vec<Judgement>>| side.get(&identity(one)).cloned().unwrap_or_default();
        let (old, new) = (of(&before), of(&after));
        let is_denied = |side: &[Judgement]| side.iter().any(Judgement::is_denial);
        let (is_denied, changes) = ((is_denied(&old), is_denied(&new)), changes(&old, &new));
        if !changes.is_empty() {
            let location = one.document.location();
            let place = format!("{}:{}", location.file, location.line);
            difference.objects.push(ObjectDifference { object: one.object.key(), place, is_denied, changes });
        }
    }
    Ok(difference)
}

/// An object may be there twice, in two files.
fn identity(one: &BundledObject) -> String {
    format!("{} {}", one.document.location(), one.object.key())
}

fn changes(before: &[Judgement], now: &[Judgement]) -> Vec<Change> {
    let (before, now) = (by_constraint(before), by_constraint(now));
    let constraints: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let none = BTreeSet::new();
    let changes = constraints.into_iter().flat_map(|constraint| {
        let (before, now) = (before.get(constraint).unwrap_or(&none), now.get(constraint).unwrap_or(&none));
        pair(constraint, before.difference(now).cloned().collect(), now.difference(before).cloned().collect())
    });
    changes.collect()
}

fn by_constraint(judgements: &[Judgement]) -> BTreeMap<String, BTreeSet<Stated>> {
    let mut found: BTreeMap<String, BTreeSet<Stated>> = BTreeMap::new();
    for judgement in judgements {
        let constraint = &judgement.violation.constraint.constraint;
        let actions = judgement.violation.actions.iter().map(ToString::to_string).collect();
        let stated = Stated { message: judgement.violation.message.clone(), actions };
        found.entry(format!("{}/{}", constraint.kind(), constraint.name())).or_default().insert(stated);
    }
    found
}

/// Violations of one constraint that are on one side only: with the same message first, then in order, are one that
/// becomes another.
fn pair(constraint: &str, mut before: Vec<Stated>, mut now: Vec<Stated>) -> Vec<Change> {
    let mut changes = Vec::new();
    let change = |before, now| Change { constraint: constraint.to_owned(), before, now };
    before.retain(|old| {
        let Some(same) = now.iter().position(|new| new.message == old.message) else { return true };
        changes.push(change(Some(old.clone()), Some(now.remove(same))));
        false
    });
    let both = before.len().min(now.len());
    let rest_before = before.split_off(both);
    let rest_now = now.split_off(both);
    changes.extend(before.into_iter().zip(now).map(|(old, new)| change(Some(old), Some(new))));
    changes.extend(rest_before.into_iter().map(|old| change(Some(old), None)));
    changes.extend(rest_now.into_iter().map(|new| change(None, Some(new))));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(message: &str, action: &str) -> Stated {
        Stated { message: message.to_owned(), actions: vec![action.to_owned()] }
    }

    #[test]
    fn pairs_what_becomes_another() {
        let found = pair("K/a", vec![stated("x", "deny"), stated("y", "deny")], vec![stated("y", "warn")]);
        let change = |before, now| Change { constraint: "K/a".to_owned(), before, now };
        let expected =
            [change(Some(stated("y", "deny")), Some(stated("y", "warn"))), change(Some(stated("x", "deny")), None)];
        assert_eq!(found, expected);
        let found = pair("K/a", vec![stated("x", "deny")], vec![stated("z", "deny"), stated("zz", "deny")]);
        let expected =
            [change(Some(stated("x", "deny")), Some(stated("z", "deny"))), change(None, Some(stated("zz", "deny")))];
        assert_eq!(found, expected);
    }
}
