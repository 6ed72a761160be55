//! What names select: texts for files, for a cluster, or for the bundle of a command.
//!
//! What two packs share is there once, with the stricter of its actions: adding a pack never loosens another one.

use std::str::FromStr;
use std::sync::Arc;

use super::pack::{Pack, PackConstraint};
use super::{EmbeddedPack, EmbeddedPolicy, Named, Unknown, find, find_pack, of_kind};
use crate::manifest::{self, Document, Source};
use crate::model::api::EnforcementAction;

/// A pack, and what its violations do in place of what it says: `NAME` or `NAME:ACTION`.
#[derive(Clone, Debug)]
pub struct Choice {
    pack: &'static EmbeddedPack,
    action: Option<EnforcementAction>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    policies: Vec<&'static EmbeddedPolicy>,
    packs: Vec<Choice>,
}

/// Texts under the names of files, ordered as they are to be applied: policies first, constraints last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// `templates/FOLDER.yaml`
    pub templates: Vec<(String, String)>,
    /// `sync/FOLDER.yaml`
    pub sync_sets: Vec<(String, String)>,
    /// `constraints/PACK.yaml`
    pub constraints: Vec<(String, String)>,
}

impl Choice {
    /// A pack, as it is or with another action.
    pub fn new(pack: &'static EmbeddedPack, action: Option<EnforcementAction>) -> Self {
        Self { pack, action }
    }

    fn constraints(&self) -> Vec<PackConstraint> {
        let constraints = Pack::read(self.pack).constraints.into_iter();
        let chosen = constraints.map(|one| self.action.as_ref().map_or_else(|| one.clone(), |to| one.with_action(to)));
        chosen.collect()
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, action) = match text.split_once(':') {
            Some((name, action)) => (name, Some(read_action(action)?)),
            None => (text, None),
        };
        let pack = find_pack(name).map_err(|unknown| unknown.to_string())?;
        Ok(Self { pack, action })
    }
}

fn read_action(text: &str) -> Result<EnforcementAction, String> {
    match EnforcementAction::from_text(text) {
        EnforcementAction::Unrecognized(text) => {
            Err(format!("found the action {text:?}, expected deny, warn or dryrun"))
        }
        action => Ok(action),
    }
}

/// What names mean, packs with the action, if one is given.
///
/// # Errors
/// At the first name that nothing has.
pub fn select(names: &[String], action: Option<&EnforcementAction>) -> Result<Selection, Unknown> {
    let mut selection = Selection::default();
    for name in names {
        match find(name)? {
            Named::Pack(pack) => selection.packs.push(Choice::new(pack, action.cloned())),
            Named::Policy(policy) => selection.policies.push(policy),
        }
    }
    Ok(selection)
}

impl Selection {
    /// Whether there is a pack among it.
    pub fn has_packs(&self) -> bool {
        !self.packs.is_empty()
    }

    /// The texts.
    pub fn read(&self) -> Selected {
        let constraints = merge(&self.packs);
        let mut policies = self.policies.clone();
        policies.extend(constraints.iter().filter_map(|(_, one)| of_kind(&one.object.gvk().kind)));
        let mut selected = Selected::default();
        for (index, policy) in policies.iter().enumerate() {
            if policies.iter().take(index).any(|other| other.kind == policy.kind) {
                continue;
            }
            let name = |folder: &str| format!("{folder}/{}.yaml", policy.folder);
            selected.templates.push((name("templates"), policy.template.to_owned()));
            selected.sync_sets.extend(policy.sync.map(|text| (name("sync"), text.to_owned())));
        }
        selected.constraints = by_pack(constraints, |pack| format!("constraints/{pack}.yaml"));
        selected
    }
}

/// Packs as documents to judge by, under names that tell where they are from: `pack:NAME/constraints.yaml`.
pub fn documents(packs: &[Choice]) -> Vec<Document> {
    let constraints = merge(packs);
    let mut sources: Vec<(String, String)> = Vec::new();
    let mut kinds: Vec<&str> = Vec::new();
    for (pack, constraint) in &constraints {
        let kind = constraint.object.gvk().kind.as_str();
        if let Some(policy) = of_kind(kind).filter(|_| !kinds.contains(&kind)) {
            kinds.push(kind);
            sources.push((format!("pack:{pack}/{}/template.yaml", policy.folder), policy.template.to_owned()));
        }
    }
    sources.extend(by_pack(constraints.clone(), |pack| format!("pack:{pack}/constraints.yaml")));
    let parse = |(name, text): (String, String)| manifest::parse(&Arc::new(Source::new(name, text))).0;
    sources.into_iter().flat_map(parse).collect()
}

/// The constraints of packs, each once, under the first pack that has it.
fn merge(packs: &[Choice]) -> Vec<(&'static str, PackConstraint)> {
    let mut merged: Vec<(&'static str, PackConstraint)> = Vec::new();
    for choice in packs {
        for constraint in choice.constraints() {
            let same = merged.iter_mut().find(|(_, known)| known.object.key() == constraint.object.key());
            match same {
                Some((_, known)) if strictness(&known.action()) < strictness(&constraint.action()) => {
                    *known = known.with_action(&constraint.action());
                }
                Some(_) => {}
                None => merged.push((choice.pack.name, constraint)),
            }
        }
    }
    merged
}

fn by_pack(constraints: Vec<(&'static str, PackConstraint)>, name: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for (pack, constraint) in constraints {
        let name = name(pack);
        match files.iter_mut().find(|(known, _)| *known == name) {
            Some((_, text)) => text.push_str(&constraint.text),
            None => files.push((name, constraint.text)),
        }
    }
    // The last of a file may not have been the last of its pack.
    for (_, text) in &mut files {
        let end = text.strip_suffix("---\n").map_or(text.len(), str::len);
        text.truncate(end);
    }
    files
}

fn strictness(action: &EnforcementAction) -> u8 {
    match action {
        EnforcementAction::Unrecognized(_) => 0,
        EnforcementAction::Dryrun => 1,
        EnforcementAction::Warn => 2,
        EnforcementAction::Deny => 3,
    }
}
