//! The `enforcementAction` of a constraint that is there already.

use serde_json::Value;

/// What is to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The wanted action.
    AsAsked,
    /// The stricter one that is there.
    Kept(String),
    /// Nothing: somebody asked for less than there is.
    WouldLower { from: String, to: String },
}

/// A constraint that was made stricter stays so: when no action was asked for, its own is put in place of the wanted one.
pub(super) fn settle(wanted: &mut Value, before: &Value, is_asked: bool, is_forced: bool) -> Settled {
    let (from, to) = (action(before), action(wanted));
    if strictness(&from) <= strictness(&to) {
        return Settled::AsAsked;
    }
    match (is_asked, is_forced) {
        (true, true) => Settled::AsAsked,
        (true, false) => Settled::WouldLower { from, to },
        (false, _) => {
            if let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("enforcementAction".to_owned(), from.clone().into());
            }
            Settled::Kept(from)
        }
    }
}

/// Gatekeeper's default is `deny`.
fn action(constraint: &Value) -> String {
    let action = constraint.pointer("/spec/enforcementAction").and_then(Value::as_str);
    action.filter(|action| !action.is_empty()).unwrap_or("deny").to_owned()
}

/// What is scoped may deny somewhere.
fn strictness(action: &str) -> u8 {
    match action {
        "dryrun" => 1,
        "warn" => 2,
        "deny" | "scoped" => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: Value, to: &str, flags: (bool, bool), expected: Settled, applied: &str) {
        let mut wanted = json!({"spec": {"enforcementAction": to}});
        assert_eq!(settle(&mut wanted, &json!({"spec": before}), flags.0, flags.1), expected);
        assert_eq!(wanted["spec"]["enforcementAction"], applied);
    }

    #[test]
    fn what_is_stricter_stays() {
        let deny = json!({"enforcementAction": "deny"});
        let kept = || Settled::Kept("deny".to_owned());
        check(deny.clone(), "warn", (false, false), kept(), "deny");
        check(json!({}), "warn", (false, true), kept(), "deny");
        check(json!({"enforcementAction": "scoped"}), "deny", (true, false), Settled::AsAsked, "deny");
        check(json!({"enforcementAction": "dryrun"}), "warn", (false, false), Settled::AsAsked, "warn");
        let lowers = Settled::WouldLower { from: "deny".to_owned(), to: "warn".to_owned() };
        check(deny.clone(), "warn", (true, false), lowers, "warn");
        check(deny, "warn", (true, true), Settled::AsAsked, "warn");
    }
}
