//! The ExpansionTemplates of a cluster: those in force, found by the type of an object; and those that are not, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::api::ExpansionTemplate;
use crate::model::object::{FieldError, FieldPath, GroupVersionKind, Object};

/// What Gatekeeper says of every template that generates, directly or through others, what it applies to.
const IN_A_CYCLE: &str = "template forms expansion cycle";

/// All ExpansionTemplates that can be read, as a graph: one leads to another that applies to what it generates.
///
/// Guarantees: what is in force forms no cycle; a template whose new version cannot be used stays as it was; the same
/// templates make the same graph in whatever order they came.
#[derive(Debug, Default)]
pub struct Expansions {
    /// By name, those in cycles included.
    known: BTreeMap<String, Arc<ExpansionTemplate>>,
    in_cycles: BTreeSet<String>,
    /// Those in force by the kinds that they apply to, each list ordered by name.
    by_kind: HashMap<String, Vec<Arc<ExpansionTemplate>>>,
}

/// Why an ExpansionTemplate is not in force as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpansionError {
    /// The object that it was read from.
    pub object: Arc<Object>,
    /// What is wrong with it, and where.
    pub error: FieldError,
    /// Whether its last good version stays in force.
    pub previous_in_force: bool,
}

impl Expansions {
    /// Reads templates. What was known before under the name of one that cannot be used stays.
    pub fn build<'o>(objects: impl Iterator<Item = &'o Arc<Object>>, previous: &Self) -> (Self, Vec<ExpansionError>) {
        let mut known = BTreeMap::new();
        let (mut valid, mut refused) = (Vec::new(), Vec::new());
        for object in objects {
            let before = previous.known.get(object.name());
            match ExpansionTemplate::parse(object) {
                Ok(template) => {
                    let same = before.filter(|before| ***before == template).map(Arc::clone);
                    known.insert(object.name().to_owned(), same.unwrap_or_else(|| Arc::new(template)));
                    valid.push(object);
                }
                Err(errors) => {
                    known.extend(before.map(|before| (object.name().to_owned(), Arc::clone(before))));
                    refused.extend(errors.into_iter().map(|error| (object, error)));
                }
            }
        }
        let in_cycles = in_cycles(&known);
        let is_in_force = |name: &str| known.contains_key(name) && !in_cycles.contains(name);
        let error = |object: &Arc<Object>, error, previous_in_force| {
            let object = Arc::clone(object);
            ExpansionError { object, error, previous_in_force }
        };
        let refused = refused.into_iter().map(|(object, what)| error(object, what, is_in_force(object.name())));
        let mut errors: Vec<ExpansionError> = refused.collect();
        let cyclic = valid.into_iter().filter(|object| in_cycles.contains(object.name()));
        let in_a_cycle = || FieldError::new(FieldPath::from(["spec", "generatedGVK"]), IN_A_CYCLE);
        errors.extend(cyclic.map(|object| error(object, in_a_cycle(), false)));
        errors.sort_by(|one, other| one.object.name().cmp(other.object.name()));
        (Self { by_kind: by_kind(&known, &in_cycles), known, in_cycles }, errors)
    }

    /// Whether no template is in force.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// Templates in force, by name.
    pub fn in_force(&self) -> impl Iterator<Item = &Arc<ExpansionTemplate>> {
        self.known.values().filter(|template| !self.in_cycles.contains(&template.name))
    }

    /// Those in force that apply to objects of a type, by name.
    pub fn for_type(&self, gvk: &GroupVersionKind) -> impl Iterator<Item = &Arc<ExpansionTemplate>> {
        let of_kind = self.by_kind.get(&gvk.kind).map(Vec::as_slice).unwrap_or_default();
        of_kind.iter().filter(|template| template.applies_to(gvk))
    }

    /// The names of templates that would be disabled if this one were there; none when it forms no cycle.
    pub fn cycle_with(&self, template: &ExpansionTemplate) -> Vec<String> {
        let mut known = self.known.clone();
        known.insert(template.name.clone(), Arc::new(template.clone()));
        let in_cycles = in_cycles(&known);
        let is_new = |name: &&String| **name == template.name || !self.in_cycles.contains(*name);
        let disabled: Vec<String> = in_cycles.iter().filter(is_new).cloned().collect();
        if in_cycles.contains(&template.name) { disabled } else { Vec::new() }
    }

    /// Whether one in force applies to objects of a type.
    pub fn apply_to(&self, gvk: &GroupVersionKind) -> bool {
        self.for_type(gvk).next().is_some()
    }
}

/// The names of templates from which a way leads back to them. Types are the nodes of the walk: there are fewer of them.
fn in_cycles(templates: &BTreeMap<String, Arc<ExpansionTemplate>>) -> BTreeSet<String> {
    let generated: BTreeSet<&GroupVersionKind> = templates.values().map(|template| &template.generated).collect();
    let leads_to = |gvk: &GroupVersionKind| -> BTreeSet<&GroupVersionKind> {
        let applying = templates.values().filter(|template| template.applies_to(gvk));
        applying.map(|template| &template.generated).collect()
    };
    let next: BTreeMap<&GroupVersionKind, BTreeSet<&GroupVersionKind>> =
        generated.iter().map(|gvk| (*gvk, leads_to(gvk))).collect();
    let reachable: BTreeMap<&GroupVersionKind, BTreeSet<&GroupVersionKind>> =
        generated.iter().map(|gvk| (*gvk, reachable(gvk, &next))).collect();
    let is_in_cycle = |template: &ExpansionTemplate| {
        let reached = reachable.get(&template.generated);
        reached.into_iter().flatten().any(|gvk| template.applies_to(gvk))
    };
    templates.iter().filter(|(_, template)| is_in_cycle(template)).map(|(name, _)| name.clone()).collect()
}

/// The type itself, and all that is generated from it.
fn reachable<'t>(
    from: &'t GroupVersionKind,
    next: &BTreeMap<&'t GroupVersionKind, BTreeSet<&'t GroupVersionKind>>,
) -> BTreeSet<&'t GroupVersionKind> {
    let mut reached = BTreeSet::from([from]);
    let mut pending = vec![from];
    while let Some(gvk) = pending.pop() {
        for one in next.get(gvk).into_iter().flatten() {
            if reached.insert(one) {
                pending.push(one);
            }
        }
    }
    reached
}

fn by_kind(
    known: &BTreeMap<String, Arc<ExpansionTemplate>>,
    in_cycles: &BTreeSet<String>,
) -> HashMap<String, Vec<Arc<ExpansionTemplate>>> {
    let mut by_kind: HashMap<String, Vec<Arc<ExpansionTemplate>>> = HashMap::new();
    for (_, template) in known.iter().filter(|(name, _)| !in_cycles.contains(*name)) {
        let kinds: BTreeSet<&String> = template.apply_to.iter().flat_map(|one| &one.kinds).collect();
        for kind in kinds {
            by_kind.entry(kind.clone()).or_default().push(Arc::clone(template));
        }
    }
    by_kind
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `name: A B > C` applies to the kinds A and B and generates C.
    fn template(text: &str) -> Arc<Object> {
        let (name, rest) = text.split_once(": ").unwrap();
        let (kinds, generated) = rest.split_once(" > ").unwrap();
        let kinds: Vec<&str> = kinds.split(' ').collect();
        let value = json!({"apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate",
            "metadata": {"name": name}, "spec": {"templateSource": "spec",
            "applyTo": [{"groups": ["g"], "versions": ["v1"], "kinds": kinds}],
            "generatedGVK": {"group": "g", "version": "v1", "kind": generated}}});
        Arc::new(Object::from_value(value).unwrap())
    }

    fn templates(texts: &[&str]) -> Vec<Arc<Object>> {
        texts.iter().map(|text| template(text)).collect()
    }

    fn names<'n>(templates: impl Iterator<Item = &'n Arc<ExpansionTemplate>>) -> Vec<&'n str> {
        templates.map(|one| one.name.as_str()).collect()
    }

    fn errors(errors: &[ExpansionError]) -> Vec<String> {
        errors.iter().map(|one| format!("{}: {}", one.object.name(), one.error.message)).collect()
    }

    /// Whatever order they come in.
    #[track_caller]
    fn check(texts: &[&str], in_force: &[&str], in_cycles: &[&str]) {
        let mut objects = templates(texts);
        for _ in 0..texts.len() {
            let (built, found) = Expansions::build(objects.iter(), &Expansions::default());
            assert_eq!(names(built.in_force()), in_force, "{texts:?}");
            let expected: Vec<String> = in_cycles.iter().map(|name| format!("{name}: {IN_A_CYCLE}")).collect();
            assert_eq!(errors(&found), expected, "{texts:?}");
            objects.rotate_left(1);
        }
    }

    #[test]
    fn all_of_a_cycle_are_disabled_and_nobody_else() {
        check(&["a: A > B", "b: B > C", "c: C > D"], &["a", "b", "c"], &[]);
        check(&["a: A > B", "b: B > A"], &[], &["a", "b"]);
        check(&["a: A > B", "b: B > C", "c: C > A", "in: X > A", "out: B > Y"], &["in", "out"], &["a", "b", "c"]);
        check(&["a: A > B", "b: B > A", "c: B > A", "d: C D > E"], &["d"], &["a", "b", "c"]);
        check(&["a: A > B", "b: B > A", "c: C > D", "d: D > C", "e: B > C"], &["e"], &["a", "b", "c", "d"]);
        // A diamond is no cycle.
        check(&["a: A > B", "b: A > C", "c: B > D", "d: C > D"], &["a", "b", "c", "d"], &[]);
    }

    #[test]
    fn a_cycle_that_is_broken_up_works_again() {
        let (both, found) = Expansions::build(templates(&["a: A > B", "b: B > A"]).iter(), &Expansions::default());
        assert!(both.is_empty() && found.len() == 2);
        let (one, found) = Expansions::build(templates(&["a: A > B"]).iter(), &both);
        assert_eq!((names(one.in_force()), found.len()), (vec!["a"], 0));
        let (changed, found) = Expansions::build(templates(&["a: A > B", "b: B > C"]).iter(), &both);
        assert_eq!((names(changed.in_force()), found.len()), (vec!["a", "b"], 0));
    }

    #[test]
    fn a_broken_update_keeps_what_was_there() {
        let (before, _) = Expansions::build(templates(&["a: A > B"]).iter(), &Expansions::default());
        let broken = templates(&["a: A > A"]);
        let (now, found) = Expansions::build(broken.iter(), &before);
        assert_eq!(names(now.in_force()), ["a"]);
        let gvk = |kind| GroupVersionKind::from_api_version("g/v1", kind);
        assert!(now.apply_to(&gvk("A")) && !now.apply_to(&gvk("B")));
        assert!(found[0].previous_in_force && found[0].error.message.ends_with("also applies to that same GVK"));
        // The last good version may be in a cycle by now.
        let (now, found) = Expansions::build(broken.iter().chain(&templates(&["b: B > A"])), &now);
        assert!(now.is_empty());
        assert_eq!(found.iter().map(|one| one.previous_in_force).collect::<Vec<_>>(), [false, false]);
        // Without one there is nothing to keep.
        let (now, found) = Expansions::build(broken.iter(), &Expansions::default());
        assert!(now.is_empty() && !found[0].previous_in_force);
        let (gone, _) = Expansions::build([].iter(), &before);
        assert!(gone.is_empty());
    }

    #[test]
    fn many_templates_of_few_types_are_no_burden() {
        let all = (0..3000).map(|number| match number % 3 {
            0 => template(&format!("t{number}: A > B")),
            1 => template(&format!("t{number}: B > C")),
            _ => template(&format!("t{number}: C > D")),
        });
        let all: Vec<_> = all.collect();
        let (built, found) = Expansions::build(all.iter(), &Expansions::default());
        assert_eq!((built.in_force().count(), found.len()), (3000, 0));
    }
}
