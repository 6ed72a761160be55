//! Quantities in every spelling that Kubernetes reads: just too much, and as much as is allowed.

use serde_json::{Value, json};

use super::Change;

/// The kind of a constraint of the pack `cost`, the field that it is about, and its maxima: CPUs and GiB.
const MAXIMA: [(&str, &str, u64, u64); 2] =
    [("K8sContainerLimits", "limits", 8, 32), ("K8sContainerRequests", "requests", 4, 16)];

/// More than the maximum, by as little as can be written.
pub(super) fn bad() -> Vec<Change> {
    changes(
        |cpus| {
            let whole =
                [format!("{}", cpus + 1), format!("{cpus}.001"), format!("{cpus}001m"), format!("{cpus}000001u")];
            let odd =
                [format!("{cpus}000000001n"), format!("0.00{cpus}1k"), format!("{cpus}001e-3"), format!("+{cpus}.1")];
            [whole, odd].concat().into_iter().map(Value::from).chain([json!(cpus + 1), json!(1e9)]).collect()
        },
        |gibibytes| {
            let bytes = gibibytes << 30;
            let binary =
                [format!("{}Gi", gibibytes + 1), format!("{}Mi", (gibibytes << 10) + 1), "1Ti".into(), "1Pi".into()];
            let decimal =
                [format!("{}", bytes + 1), format!("{bytes}001m"), format!("{}e9", gibibytes + 4), "1E".into()];
            let odd =
                [format!("{gibibytes}.0000001Gi"), format!("{}E3", bytes / 1000 + 1), "1e18".into(), "0.1P".into()];
            [binary, decimal, odd].concat().into_iter().map(Value::from).chain([json!(bytes + 1)]).collect()
        },
    )
}

/// Exactly the maximum, or less.
pub(super) fn good() -> Vec<Change> {
    changes(
        |cpus| {
            let whole = [format!("{cpus}"), format!("{cpus}.0"), format!("{cpus}000m"), format!("{cpus}000000u")];
            let odd = [format!("{cpus}e0"), format!("0.00{cpus}k"), format!("{cpus}000E-3"), "100m".to_owned()];
            [whole, odd].concat().into_iter().map(Value::from).chain([json!(cpus)]).collect()
        },
        |gibibytes| {
            let bytes = gibibytes << 30;
            let binary = [format!("{gibibytes}Gi"), format!("{}Mi", gibibytes << 10), format!("{}Ki", gibibytes << 20)];
            let decimal = [format!("{bytes}"), format!("{bytes}000m"), format!("{gibibytes}G")];
            [binary, decimal].concat().into_iter().map(Value::from).chain([json!(bytes)]).collect()
        },
    )
}

fn changes(cpu: fn(u64) -> Vec<Value>, memory: fn(u64) -> Vec<Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (kind, field, cpus, gibibytes) in MAXIMA {
        let spellings = [("cpu", cpu(cpus)), ("memory", memory(gibibytes))];
        for (resource, value) in
            spellings.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        {
            changes.push(Change {
                name: format!("{field}: {resource} {value}"),
                packs: vec!["cost".to_owned()],
                needs: vec![kind.to_owned()],
                pod: Value::Null,
                container: json!({"resources": {field: {*resource: value}}}),
                others: Value::Null,
                is_for_ephemeral: false,
                is_mutable: true,
            });
        }
    }
    changes
}
