//! `status.conditions` and `status.observedGeneration`, as kstatus reads them: what all entries come to. Besides what
//! Gatekeeper writes.
//!
//! `Ready` is always there. The others are there while they are true, as kstatus has it: `Reconciling` when it passes by
//! itself, `Stalled` when somebody has to mend the object, `DataNotSynced` when a policy reads what is not in the inventory.

use serde_json::{Value, json};

use super::Subject;
use super::entry::{DATA_NOT_SYNCED, SET_ASIDE, SYNC_ERROR, code, errors, id};
use crate::model::object::Object;

/// The types that are ours; those of others stay as they are.
const TYPES: [&str; 4] = ["Ready", "Reconciling", "Stalled", "DataNotSynced"];
/// Longest message of a condition that an API server takes, in bytes; a CRD of ours says so, too.
const LONGEST_MESSAGE: usize = 32_768;

/// What all entries come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    ready: &'static str,
    reason: String,
    message: String,
    /// Those of the others that are true.
    also: Vec<&'static str>,
    /// The generation that every process has seen; `None` while none has said anything.
    pub(super) observed_generation: Option<i64>,
}

/// Judges an object by the entries on it, which are sorted. A template also needs the kind of its constraints to be served.
pub(super) fn judge(object: &Object, entries: &[&Value], is_served: bool) -> Verdict {
    let generation = |entry: &&Value| entry.get("observedGeneration").and_then(Value::as_i64).unwrap_or_default();
    let observed_generation = entries.iter().map(generation).min();
    let verdict = |ready, reason: &str, message: String, also| Verdict {
        ready,
        reason: reason.to_owned(),
        message,
        also,
        observed_generation,
    };
    let subject = Subject::of(object);
    let waiting = |reason, message: &str| verdict("Unknown", reason, message.to_owned(), vec!["Reconciling"]);
    if entries.is_empty() {
        return waiting("NoReport", "no process has said yet what it made of this");
    }
    if observed_generation < Some(object.generation()) {
        return waiting("OldGeneration", "not every process has said yet what it made of this generation");
    }
    if let Some(found) = worst_error(entries) {
        let reason = reason(code(found.error));
        return verdict("False", &reason, found.message(), found.also);
    }
    if subject == Subject::Template && !is_served {
        return waiting("KindNotServed", "the API server does not serve the kind of its constraints yet");
    }
    if let Some(key) = subject.use_key() {
        let is_used = |entry: &&Value| entry.get(key).and_then(Value::as_bool) == Some(true);
        if !entries.iter().any(is_used) {
            return verdict("False", "NotEnforced", "no process enforces it".to_owned(), Vec::new());
        }
    }
    verdict("True", "InForce", String::new(), Vec::new())
}

struct Found<'e> {
    error: &'e Value,
    id: &'e str,
    /// How many say that something is wrong.
    count: usize,
    also: Vec<&'static str>,
}

impl Found<'_> {
    fn message(&self) -> String {
        let text = self.error.get("message").and_then(Value::as_str).unwrap_or_default();
        let others = match self.count {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let mut message = format!("{}{others}: {text}", self.id);
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message
    }
}

/// The error that somebody has to do something about first.
fn worst_error<'e>(entries: &[&'e Value]) -> Option<Found<'e>> {
    let all: Vec<(&Value, &Value)> =
        entries.iter().flat_map(|entry| errors(entry).map(move |error| (*entry, error))).collect();
    let (entry, error) = all.iter().min_by_key(|(_, error)| rank(error))?;
    let has = |wanted: Rank| all.iter().any(|(_, error)| rank(error) == wanted);
    let of = [(Rank::Mend, "Stalled"), (Rank::Passing, "Reconciling"), (Rank::Data, "DataNotSynced")];
    let also = of.into_iter().filter(|(wanted, _)| has(*wanted)).map(|(_, name)| name).collect::<Vec<_>>();
    // What is stalled goes nowhere until it is mended.
    let also = if has(Rank::Mend) { also.into_iter().filter(|one| *one != "Reconciling").collect() } else { also };
    let count = entries.iter().filter(|entry| errors(entry).next().is_some()).count();
    Some(Found { error, id: id(entry), count, also })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Nothing but a change to the object helps.
    Mend,
    /// Something else has to be changed.
    Data,
    /// It passes by itself, or with the next object.
    Passing,
}

fn rank(error: &Value) -> Rank {
    // A constraint whose template is not there, or is refused.
    let is_of_kind = error.get("location").and_then(Value::as_str) == Some("kind");
    match code(error) {
        DATA_NOT_SYNCED | SYNC_ERROR => Rank::Data,
        "not_ready" | SET_ASIDE => Rank::Passing,
        _ if is_of_kind => Rank::Passing,
        _ => Rank::Mend,
    }
}

/// A code as conditions have it: `ingest_error` is `IngestError`.
fn reason(code: &str) -> String {
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric());
    let capitalized = words.map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    let reason: String = capitalized.collect();
    if reason.starts_with(|first: char| first.is_ascii_alphabetic()) { reason } else { "Error".to_owned() }
}

impl Verdict {
    /// `status.conditions`, from what it was. `now` is when a status begins that was another one before.
    pub(super) fn conditions(&self, before: &[Value], now: &str) -> Vec<Value> {
        let type_of = |condition: &Value| condition.get("type").and_then(Value::as_str).map(str::to_owned);
        let is_ours = |condition: &&Value| type_of(condition).is_some_and(|one| TYPES.contains(&one.as_str()));
        let mut conditions: Vec<Value> = before.iter().filter(|one| !is_ours(one)).cloned().collect();
        for name in TYPES {
            let status = match name {
                "Ready" => self.ready,
                _ if self.also.contains(&name) => "True",
                _ => continue,
            };
            let earlier = before.iter().find(|condition| type_of(condition).as_deref() == Some(name));
            let since = earlier
                .filter(|earlier| earlier.get("status").and_then(Value::as_str) == Some(status))
                .and_then(|earlier| earlier.get("lastTransitionTime").and_then(Value::as_str));
            let mut condition = json!({"type": name, "status": status, "reason": self.reason,
                "message": self.message, "lastTransitionTime": since.unwrap_or(now)});
            if let Some(generation) = self.observed_generation {
                condition["observedGeneration"] = generation.into();
            }
            conditions.push(condition);
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(api_version: &str, kind: &str) -> Object {
        let value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "generation": 2}});
        Object::from_value(value).unwrap()
    }

    fn template() -> Object {
        object("templates.gatekeeper.sh/v1", "ConstraintTemplate")
    }

    fn constraint() -> Object {
        object("constraints.gatekeeper.sh/v1beta1", "K8sThings")
    }

    fn shown(object: &Object, entries: &[Value], is_served: bool) -> String {
        let entries: Vec<&Value> = entries.iter().collect();
        let verdict = judge(object, &entries, is_served);
        let also = verdict.also.join("+");
        format!("{} {} [{also}] {:?} {}", verdict.ready, verdict.reason, verdict.observed_generation, verdict.message)
    }

    #[test]
    fn a_template_is_ready_when_it_is_in_force_everywhere_and_its_kind_is_served() {
        let entry = |id: &str, generation: i64| json!({"id": id, "observedGeneration": generation});
        let broken = |id: &str| json!({"id": id, "observedGeneration": 2, "errors": [{"code": "ingest_error", "message": "bad"}]});
        let odd = json!({"id": "a", "observedGeneration": 2, "errors": [{"code": "sync_annotation_warning"}]});
        for (entries, is_served, expected) in [
            (vec![entry("a", 2), entry("b", 2)], true, "True InForce [] Some(2) "),
            (vec![odd], true, "True InForce [] Some(2) "),
            (vec![], true, "Unknown NoReport [Reconciling] None no process has said"),
            (vec![entry("a", 2), entry("b", 1)], true, "Unknown OldGeneration [Reconciling] Some(1) not every"),
            (vec![entry("a", 2)], false, "Unknown KindNotServed [Reconciling] Some(2) the API server"),
            (vec![entry("a", 2), broken("b")], false, "False IngestError [Stalled] Some(2) b: bad"),
            (vec![broken("a"), broken("b")], true, "False IngestError [Stalled] Some(2) a (and 1 more): bad"),
        ] {
            let found = shown(&template(), &entries, is_served);
            assert!(found.starts_with(expected), "{entries:?}: {found}");
        }
    }

    #[test]
    fn a_constraint_is_ready_when_it_is_enforced_with_all_it_reads() {
        let entry = |errors: Value| json!([{"id": "a", "observedGeneration": 2, "enforced": true, "errors": errors}]);
        let not_synced = json!({"code": "data_not_synced", "message": "none"});
        let no_template = json!({"code": "ingest_error", "message": "missing", "location": "kind"});
        let wrong = json!({"code": "ingest_error", "message": "wrong", "location": "spec"});
        for (entries, expected) in [
            (entry(json!([])), "True InForce [] Some(2) "),
            (json!([{"id": "a", "observedGeneration": 2}]), "False NotEnforced [] Some(2) no process"),
            (entry(json!([not_synced])), "False DataNotSynced [DataNotSynced] Some(2) a: none"),
            (entry(json!([no_template])), "False IngestError [Reconciling] Some(2) a: missing"),
            (
                entry(json!([no_template, not_synced, wrong])),
                "False IngestError [Stalled+DataNotSynced] Some(2) a: wrong",
            ),
            (entry(json!([{"code": "set_aside", "message": "slow"}])), "False SetAside [Reconciling] Some(2) a: slow"),
            (entry(json!([{"code": "?", "message": "odd"}])), "False Error [Stalled] Some(2) a: odd"),
        ] {
            let found = shown(&constraint(), entries.as_array().unwrap(), false);
            assert!(found.starts_with(expected), "{entries}: {found}");
        }
    }

    #[test]
    fn times_change_with_the_status_alone() {
        let verdict = |ready, message: &str| Verdict {
            ready,
            reason: "R".to_owned(),
            message: message.to_owned(),
            also: if ready == "False" { vec!["Stalled"] } else { vec![] },
            observed_generation: Some(1),
        };
        let foreign = json!({"type": "Own", "status": "True"});
        let first = verdict("False", "a").conditions(std::slice::from_ref(&foreign), "t1");
        assert_eq!(
            first,
            [
                foreign.clone(),
                json!({"type": "Ready", "status": "False", "reason": "R", "message": "a", "lastTransitionTime": "t1",
                    "observedGeneration": 1}),
                json!({"type": "Stalled", "status": "True", "reason": "R", "message": "a", "lastTransitionTime": "t1",
                    "observedGeneration": 1}),
            ]
        );
        let second = verdict("False", "b").conditions(&first, "t2");
        assert_eq!((&second[1]["message"], &second[1]["lastTransitionTime"]), (&json!("b"), &json!("t1")));
        let third = verdict("True", "").conditions(&second, "t3");
        assert_eq!((third.len(), &third[0], &third[1]["lastTransitionTime"]), (2, &foreign, &json!("t3")));
    }
}
