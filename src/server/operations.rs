//! `--operation`: what a process does. Names and texts are Gatekeeper's, so that its manifests go on working.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Something that a process may do. Ordered by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Judges what is in the cluster already.
    Audit,
    /// Keeps a CRD for each template.
    Generate,
    /// Loads mutators without serving them.
    MutationController,
    /// Says of mutators what became of them in all processes.
    MutationStatus,
    /// Serves mutation.
    MutationWebhook,
    /// Says of templates, constraints and the rest what became of them in all processes.
    Status,
    /// Serves validation.
    Webhook,
}

/// What one process does. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations(BTreeSet<Operation>);

/// A text that names no operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("operation {0} is not a valid operation: map[{known}]", known = known())]
pub struct InvalidOperation(String);

impl Operation {
    const ALL: [Self; 7] = [
        Self::Audit,
        Self::Generate,
        Self::MutationController,
        Self::MutationStatus,
        Self::MutationWebhook,
        Self::Status,
        Self::Webhook,
    ];

    /// The name in manifests and statuses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Generate => "generate",
            Self::MutationController => "mutation-controller",
            Self::MutationStatus => "mutation-status",
            Self::MutationWebhook => "mutation-webhook",
            Self::Status => "status",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = InvalidOperation;

    fn from_str(text: &str) -> Result<Self, InvalidOperation> {
        let found = Self::ALL.into_iter().find(|operation| operation.as_str() == text);
        found.ok_or_else(|| InvalidOperation(text.to_owned()))
    }
}

impl Operations {
    /// These, or all that there are when none is given.
    pub fn new(given: &[Operation]) -> Self {
        if given.is_empty() { Self::default() } else { Self(given.iter().copied().collect()) }
    }

    /// Whether the process does this.
    pub fn has(&self, operation: Operation) -> bool {
        self.0.contains(&operation)
    }

    /// Whether the process listens for API servers: as in Gatekeeper, either webhook brings `/v1/admitlabel`.
    pub fn serve(&self) -> bool {
        self.has(Operation::Webhook) || self.has(Operation::MutationWebhook)
    }

    /// Whether the process has to do with mutators. As in Gatekeeper, any of the three operations loads them.
    pub fn load_mutators(&self) -> bool {
        use Operation::{MutationController, MutationStatus, MutationWebhook};
        [MutationController, MutationStatus, MutationWebhook].iter().any(|one| self.has(*one))
    }

    /// Those that admit has no function for.
    pub fn names_without_effect(&self) -> Vec<&'static str> {
        let has_effect = |one: &Operation| Self::default().has(*one);
        self.0.iter().filter(|one| !has_effect(one)).map(|one| one.as_str()).collect()
    }

    /// Sorted, as statuses list them.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|operation| operation.as_str()).collect()
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self(Operation::ALL.into_iter().filter(|one| *one != Operation::Audit).collect())
    }
}

/// As Go prints a map.
fn known() -> String {
    Operation::ALL.map(|operation| format!("{operation}:true")).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_get_gatekeepers_text() {
        assert_eq!(
            "webhok".parse::<Operation>().unwrap_err().to_string(),
            "operation webhok is not a valid operation: map[audit:true generate:true mutation-controller:true \
             mutation-status:true mutation-webhook:true status:true webhook:true]"
        );
    }

    #[test]
    fn names_are_sorted_and_said_once() {
        let given = ["webhook", "audit", "webhook"].map(|name| name.parse().unwrap());
        assert_eq!(Operations::new(&given).names(), ["audit", "webhook"]);
        let all = ["generate", "mutation-controller", "mutation-status", "mutation-webhook", "status", "webhook"];
        assert_eq!(Operations::new(&[]).names(), all);
        assert_eq!(Operations::new(&given).names_without_effect(), ["audit"]);
    }
}
