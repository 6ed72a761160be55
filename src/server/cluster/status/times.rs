//! Since when a Provider has been what it is: Gatekeeper's entries on Providers say so. What stays as it is keeps its times,
//! so that the same is not written again because time has passed.

use serde_json::{Value, json};

use super::entry::code;

/// The entry on a Provider with its times, from what was last said of it.
pub(super) fn with_times(mut entry: Value, before: Option<&Value>, now: &str) -> Value {
    let before = before.filter(|before| before.get("providerUID") == entry.get("providerUID"));
    let field = |name: &str| before.and_then(|before| before.get(name));
    let is_active = entry.get("active") == Some(&json!(true));
    let was_active = field("active") == Some(&json!(true));
    let known = errors(before);
    let is_known = |error: &Value| known.iter().any(|one| is_same(one, error));
    let stays = before.is_some() && is_active == was_active && errors(Some(&entry)).iter().all(is_known);
    let stays = stays && known.len() == errors(Some(&entry)).len();
    let kept = |name: &str, is_kept: bool| field(name).filter(|_| is_kept).cloned();
    let transition = kept("lastTransitionTime", stays).unwrap_or_else(|| now.into());
    let is_same_generation = field("observedGeneration") == entry.get("observedGeneration");
    let update = match kept("lastCacheUpdateTime", !is_active || (stays && is_same_generation)) {
        None if is_active => Some(now.into()),
        kept => kept,
    };
    for error in entry.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        let earlier = known.iter().find(|one| is_same(one, error)).and_then(|one| one.get("errorTimestamp"));
        error["errorTimestamp"] = earlier.cloned().unwrap_or_else(|| now.into());
    }
    entry["lastTransitionTime"] = transition;
    if let Some(update) = update {
        entry["lastCacheUpdateTime"] = update;
    }
    entry
}

fn errors(entry: Option<&Value>) -> &[Value] {
    entry.and_then(|entry| entry.get("errors")?.as_array()).map(Vec::as_slice).unwrap_or_default()
}

fn is_same(one: &Value, other: &Value) -> bool {
    code(one) == code(other) && one.get("message") == other.get("message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(generation: u64, error: Option<&str>) -> Value {
        let mut entry = json!({"id": "a", "providerUID": "u", "observedGeneration": generation});
        match error {
            Some(message) => entry["errors"] = json!([{"type": "UpsertCache", "message": message, "retryable": true}]),
            None => entry["active"] = true.into(),
        }
        entry
    }

    fn times(entry: &Value) -> [&str; 3] {
        ["/lastTransitionTime", "/lastCacheUpdateTime", "/errors/0/errorTimestamp"]
            .map(|pointer| entry.pointer(pointer).and_then(Value::as_str).unwrap_or("-"))
    }

    #[test]
    fn times_change_with_what_they_are_of() {
        let mut said: Option<Value> = None;
        for (now, generation, error, expected) in [
            ("t1", 1, None, ["t1", "t1", "-"]),
            ("t2", 1, None, ["t1", "t1", "-"]),
            ("t3", 2, None, ["t1", "t3", "-"]),
            ("t4", 3, Some("bad"), ["t4", "t3", "t4"]),
            ("t5", 3, Some("bad"), ["t4", "t3", "t4"]),
            ("t6", 4, Some("worse"), ["t6", "t3", "t6"]),
            ("t7", 5, None, ["t7", "t7", "-"]),
        ] {
            let now_said = with_times(entry(generation, error), said.as_ref(), now);
            assert_eq!(times(&now_said), expected, "{now}");
            said = Some(now_said);
        }
        let mut another = entry(5, None);
        another["providerUID"] = "another".into();
        assert_eq!(times(&with_times(another, said.as_ref(), "t8")), ["t8", "t8", "-"]);
    }
}
