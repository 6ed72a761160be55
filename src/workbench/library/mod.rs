//! The policies of this repository, in the binary: templates, what they need synced, and packs of constraints.
//!
//! ```text
//! policies/ ─ table (generated) ─► Embedded… ─┬─ policy: what a template says of itself
//!                                             └─ pack: constraints, each a text of its own ─┐
//!                       NAME|PACK… ─ selection ◄────────────────────────────────────────────┘
//!                                        └─► texts for files, a cluster, or the bundle of a command
//! ```
//!
//! Guarantees, each kept by a test of what is embedded: a kind, a folder and a pack is there once; each constraint of a pack
//! is of a kind that is there, and says its `enforcementAction`; a constraint in two packs is the same in both.
//! Deliberately absent: suites and samples, which are for authors.

mod pack;
mod policy;
pub mod report;
mod selection;
mod table;

use thiserror::Error;

pub use pack::{Pack, PackConstraint};
pub use policy::{Parameter, Policy};
pub use selection::{Choice, Selected, Selection, documents, select};

/// A policy as it stands in the repository.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedPolicy {
    /// The kind of its constraints.
    pub kind: &'static str,
    /// The folder of `policies/` that its own folder is in.
    pub set: &'static str,
    /// Its own folder.
    pub folder: &'static str,
    /// `template.yaml`
    pub template: &'static str,
    /// `sync.yaml`, where there is one.
    pub sync: Option<&'static str>,
}

/// A pack as it stands in the repository.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedPack {
    /// Its folder below `policies/packs/`.
    pub name: &'static str,
    /// `constraints.yaml`
    pub constraints: &'static str,
    /// `README.md`
    pub readme: &'static str,
}

/// What has a name.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// A pack.
    Pack(&'static EmbeddedPack),
    /// A policy.
    Policy(&'static EmbeddedPolicy),
}

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no {wanted} {name:?}; the nearest is {nearest}. `admit policy list` lists all")]
pub struct Unknown {
    /// What was looked for.
    pub wanted: &'static str,
    /// The name.
    pub name: String,
    /// The name that is most like it.
    pub nearest: &'static str,
}

/// All policies, ordered by set and folder.
pub fn policies() -> &'static [EmbeddedPolicy] {
    table::POLICIES
}

/// All packs, ordered by name.
pub fn packs() -> &'static [EmbeddedPack] {
    table::PACKS
}

/// The names of all packs, for messages.
pub fn pack_names() -> String {
    packs().iter().map(|pack| pack.name).collect::<Vec<_>>().join(", ")
}

/// What is meant by the name of a pack, or by the kind, template name or folder of a policy.
///
/// # Errors
/// When nothing has that name; with the nearest that something has.
pub fn find(name: &str) -> Result<Named, Unknown> {
    let name = name.trim().trim_end_matches('/');
    let pack = packs().iter().find(|pack| pack.name.eq_ignore_ascii_case(name)).map(Named::Pack);
    let policy = || policies().iter().find(|policy| policy.is_called(name)).map(Named::Policy);
    let unknown = || {
        let names = policies().iter().flat_map(|policy| [policy.kind, policy.folder]);
        unknown("policy or pack", name, names.chain(packs().iter().map(|pack| pack.name)))
    };
    pack.or_else(policy).ok_or_else(unknown)
}

/// The pack of a name.
///
/// # Errors
/// When there is none; with the nearest.
pub fn find_pack(name: &str) -> Result<&'static EmbeddedPack, Unknown> {
    let found = packs().iter().find(|pack| pack.name.eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| unknown("pack", name, packs().iter().map(|pack| pack.name)))
}

/// The policy that constraints of a kind belong to.
pub fn of_kind(kind: &str) -> Option<&'static EmbeddedPolicy> {
    policies().iter().find(|policy| policy.kind == kind)
}

fn unknown(wanted: &'static str, name: &str, names: impl Iterator<Item = &'static str>) -> Unknown {
    let lower = name.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    Unknown { wanted, name: name.to_owned(), nearest: names.min_by_key(distance).unwrap_or_default() }
}

impl EmbeddedPolicy {
    /// Where its folder is, below `policies/`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.set, self.folder)
    }

    /// A template's name is its kind in lower case.
    fn is_called(&self, name: &str) -> bool {
        self.kind.eq_ignore_ascii_case(name) || self.folder.eq_ignore_ascii_case(name) || self.path() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Result<&str, &str>) {
        let found = find(name).map(|found| match found {
            Named::Pack(pack) => pack.name,
            Named::Policy(policy) => policy.kind,
        });
        assert_eq!(found.map_err(|unknown| unknown.nearest), expected);
    }

    #[test]
    fn a_policy_is_known_by_kind_template_and_folder() {
        for name in ["K8sAllowedRepos", "k8sallowedrepos", "allowedrepos", "general/allowedrepos", "allowedrepos/ "] {
            check(name, Ok("K8sAllowedRepos"));
        }
        check("K8sAlowedRepos", Err("K8sAllowedRepos"));
        check("requiredlabel", Err("requiredlabels"));
    }
}
