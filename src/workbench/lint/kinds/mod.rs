//! The kinds of Kubernetes and their fields: what exists, not what it means.
//!
//! The table holds names only, made from the API server's OpenAPI document by `tests/kinds/table.py`. Deliberately absent:
//! types of scalars, and kinds of custom resources, about which nothing is said.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::model::value::Step;

const TABLE: &str = include_str!("table.txt");

/// Kinds that were served once, or are served below others only: they exist, and nothing is known of their fields.
const OTHERS: [(&str, &str); 22] = [
    ("apps", "Scale"),
    ("authentication.k8s.io", "TokenRequest"),
    ("autoscaling", "Scale"),
    ("batch", "ScheduledJob"),
    ("extensions", "DaemonSet"),
    ("extensions", "Deployment"),
    ("extensions", "Ingress"),
    ("extensions", "NetworkPolicy"),
    ("extensions", "PodSecurityPolicy"),
    ("extensions", "ReplicaSet"),
    ("extensions", "Scale"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("", "NodeProxyOptions"),
    ("", "PodAttachOptions"),
    ("", "PodExecOptions"),
    ("", "PodPortForwardOptions"),
    ("", "PodProxyOptions"),
    ("", "ServiceProxyOptions"),
    ("policy", "Eviction"),
    ("policy", "PodSecurityPolicy"),
    ("settings.k8s.io", "PodPreset"),
    ("auditregistration.k8s.io", "AuditSink"),
];

static KINDS: LazyLock<Table> = LazyLock::new(Table::read);

/// One version of a kind.
#[derive(Debug)]
pub(super) struct Kind {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    /// Its resource: `pods`.
    pub(super) plural: &'static str,
    pub(super) is_namespaced: bool,
    type_index: usize,
}

#[derive(Debug)]
struct Table {
    kinds: Vec<Kind>,
    types: Vec<BTreeMap<&'static str, &'static str>>,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A field, or what may be one.
    Something,
    /// The field that its parent does not have, and what the parent has instead: nothing when it has no fields at all.
    Nothing(Vec<&'static str>),
}

/// All kinds that have fields.
pub(super) fn all() -> &'static [Kind] {
    &KINDS.kinds
}

/// All versions of one kind that have fields.
pub(super) fn find(group: &str, kind: &str) -> impl Iterator<Item = &'static Kind> {
    all().iter().filter(move |one| one.group == group && one.kind == kind)
}

/// Whether Kubernetes has such a kind, or had.
pub(super) fn is_known(group: &str, kind: &str) -> bool {
    OTHERS.contains(&(group, kind)) || find(group, kind).next().is_some()
}

/// Whether some kind of Kubernetes is in this group.
pub(super) fn is_known_group(group: &str) -> bool {
    all().iter().any(|one| one.group == group) || OTHERS.iter().any(|(known, _)| *known == group)
}

impl Kind {
    /// Whether its schema has this path below the object, going by the last step: steps before it that are not there are
    /// another's business.
    pub(super) fn look(&self, path: &[Step]) -> Found {
        let mut below = Below::Type(self.type_index);
        for (position, step) in path.iter().enumerate() {
            below = match (below, step) {
                (Below::Anything, _) | (Below::Type(_), Step::Any) => return Found::Something,
                (Below::Elements(of), Step::Any) | (Below::Entries(of), _) => Below::read(of),
                (Below::Type(index), Step::Key(key)) => {
                    let fields = KINDS.types.get(index);
                    match fields.and_then(|fields| fields.get(&**key)) {
                        Some(of) => Below::read(of),
                        None if position + 1 < path.len() => return Found::Something,
                        None => return Found::Nothing(fields.into_iter().flat_map(|it| it.keys().copied()).collect()),
                    }
                }
                (Below::Scalar | Below::Elements(_), Step::Key(_)) if position + 1 == path.len() => {
                    return Found::Nothing(Vec::new());
                }
                (Below::Scalar | Below::Elements(_), _) => return Found::Something,
            };
        }
        Found::Something
    }

    /// Whether every step of the path is there.
    pub(super) fn has(&self, path: &[Step]) -> bool {
        (1..=path.len()).all(|length| self.look(path.get(..length).unwrap_or_default()) == Found::Something)
    }
}

/// What is below a field.
#[derive(Clone, Copy)]
enum Below {
    Scalar,
    Anything,
    Type(usize),
    Elements(&'static str),
    Entries(&'static str),
}

impl Below {
    fn read(text: &'static str) -> Self {
        match text.split_at_checked(1) {
            None => Self::Scalar,
            Some(("*", _)) => Self::Anything,
            Some(("[", of)) => Self::Elements(of),
            Some(("{", of)) => Self::Entries(of),
            Some(_) => text.parse().map_or(Self::Anything, Self::Type),
        }
    }
}

impl Table {
    fn read() -> Self {
        let mut lines = TABLE.lines().skip(1);
        let kinds = lines.by_ref().take_while(|line| *line != "#").filter_map(|line| {
            let mut words = line.split(' ');
            let mut next = || words.next();
            Some(Kind {
                group: next().map(|group| if group == "-" { "" } else { group })?,
                version: next()?,
                kind: next()?,
                plural: next()?,
                is_namespaced: next()? == "N",
                type_index: next()?.parse().ok()?,
            })
        });
        let kinds = kinds.collect();
        let fields = |line: &'static str| {
            let fields = line.split(' ').map(|field| field.split_once(':').unwrap_or((field, "")));
            fields.collect()
        };
        Self { kinds, types: lines.map(fields).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(group: &str, kind: &str, path: &str) -> Found {
        let step = |step: &str| if step == "*" { Step::Any } else { Step::Key(step.into()) };
        let path: Vec<Step> = path.split('.').map(step).collect();
        find(group, kind).next().expect("is known").look(&path)
    }

    #[test]
    fn knows_fields() {
        assert!(all().len() > 80, "{}", all().len());
        assert_eq!(look("", "Pod", "spec.containers.*.image"), Found::Something);
        assert_eq!(look("apps", "Deployment", "spec.template.spec.hostNetwork"), Found::Something);
        assert_eq!(look("", "Pod", "metadata.labels.anything"), Found::Something);
        assert_eq!(look("", "Pod", "spec.containers.image"), Found::Nothing(Vec::new()));
        assert!(matches!(look("", "Pod", "spec.container"), Found::Nothing(has) if has.contains(&"containers")));
        assert_eq!(look("", "Pod", "spec.container.image"), Found::Something, "the parent's business");
        assert!(is_known("policy", "PodSecurityPolicy") && !is_known("apps", "Pod"));
    }
}
