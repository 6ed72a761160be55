//! Policies and packs for people, and for programs.

use serde_json::{Value, json};

use super::{EmbeddedPolicy, Named, Pack, Policy, packs, policies};
use crate::model::api::EnforcementAction;
use crate::workbench::text::{columns, paragraph};

/// The packs that have a constraint of a kind.
pub fn packs_of(kind: &str) -> Vec<&'static str> {
    let has = |pack: &Pack| pack.kinds().contains(&kind);
    packs().iter().map(Pack::read).filter(has).map(|pack| pack.name).collect()
}

/// All policies with their packs, or those of one pack.
fn listed(pack: Option<&Pack>) -> Vec<(Policy, Vec<&'static str>)> {
    let packs: Vec<Pack> = packs().iter().map(Pack::read).collect();
    let is_of_pack = |one: &&EmbeddedPolicy| pack.is_none_or(|pack| pack.kinds().contains(&one.kind));
    let with_packs = |one: &EmbeddedPolicy| {
        let of_it = packs.iter().filter(|pack| pack.kinds().contains(&one.kind)).map(|pack| pack.name);
        (Policy::read(one), of_it.collect())
    };
    policies().iter().filter(is_of_pack).map(with_packs).collect()
}

/// The packs, and below them the policies: of all or of one pack.
pub fn list_text(pack: Option<&Pack>) -> String {
    let mut text = String::new();
    let of_pack = |pack: &Pack| [pack.name.to_owned(), pack.kinds().len().to_string(), pack.title.clone()];
    let shown: Vec<[String; 3]> = match pack {
        Some(pack) => vec![of_pack(pack)],
        None => packs().iter().map(|one| of_pack(&Pack::read(one))).collect(),
    };
    let head = ["PACK", "POLICIES", "TITLE"].map(str::to_owned);
    text += &columns(&std::iter::once(head).chain(shown).collect::<Vec<_>>());
    text.push('\n');
    let rows = listed(pack)
        .into_iter()
        .map(|(policy, packs)| [policy.kind, policy.severity, policy.category, policy.title, packs.join(", ")]);
    let head = ["KIND", "SEVERITY", "CATEGORY", "TITLE", "PACKS"].map(str::to_owned);
    text + &columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// `{"packs": [...], "policies": [...]}`
pub fn list_json(pack: Option<&Pack>) -> String {
    let is_meant = |one: &Pack| pack.is_none_or(|pack| pack.name == one.name);
    let packs: Vec<Value> = packs().iter().map(Pack::read).filter(is_meant).map(|one| pack_json(&one)).collect();
    let policies: Vec<Value> = listed(pack)
        .into_iter()
        .map(|(policy, packs)| {
            json!({"kind": policy.kind, "name": policy.kind.to_lowercase(), "title": policy.title,
                "description": policy.description, "severity": policy.severity, "category": policy.category,
                "version": policy.version, "docs": policy.docs, "set": policy.set, "folder": policy.folder,
                "referential": policy.is_referential, "packs": packs})
        })
        .collect();
    serde_json::to_string_pretty(&json!({"packs": packs, "policies": policies})).unwrap_or_default() + "\n"
}

fn pack_json(pack: &Pack) -> Value {
    let constraints: Vec<Value> = pack
        .constraints
        .iter()
        .map(|one| {
            json!({"kind": one.object.gvk().kind, "name": one.object.name(), "enforcementAction": one.action().as_str()})
        })
        .collect();
    json!({"name": pack.name, "title": pack.title, "description": pack.description, "constraints": constraints})
}

/// Everything about one policy or pack.
pub fn show(named: Named) -> String {
    match named {
        Named::Pack(pack) => show_pack(&Pack::read(pack)),
        Named::Policy(policy) => show_policy(&Policy::read(policy)),
    }
}

fn show_pack(pack: &Pack) -> String {
    let mut text = format!("{}: {}\n\n{}\n", pack.name, pack.title, paragraph(&pack.description, 0));
    let head = ["CONSTRAINT", "KIND", "ACTION"].map(str::to_owned);
    let rows = pack.constraints.iter().map(|one| {
        let action: EnforcementAction = one.action();
        [one.object.name().to_owned(), one.object.gvk().kind.clone(), action.to_string()]
    });
    text += &columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    text + &format!(
        "\nJudge files by it: admit lint --pack {0} PATH...\nWrite it to files:  admit policy export {0} -d DIR\n\
         Into a cluster:     admit policy install {0} --dry-run\n",
        pack.name
    )
}

fn show_policy(policy: &Policy) -> String {
    let mut text = format!("{}: {}\n\n{}\n", policy.kind, policy.title, paragraph(&policy.description, 0));
    let facts = [
        ("severity", policy.severity.clone()),
        ("category", policy.category.clone()),
        ("packs", or_dash(&packs_of(&policy.kind).join(", "))),
        ("source", format!("policies/{}/{}", policy.set, policy.folder)),
        ("version", policy.version.clone()),
        ("docs", policy.docs.clone()),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    text += &columns(&facts.map(|(name, value)| [name.to_owned(), value]).collect::<Vec<_>>());
    if policy.is_referential {
        text += "\nIt compares with other objects of the cluster, which have to be synced: its SyncSet goes with it.\n";
    }
    text += "\nPARAMETERS\n";
    if policy.parameters.is_empty() {
        text += "  none\n";
    }
    for parameter in &policy.parameters {
        text += &format!("  {} ({})\n{}", parameter.path, parameter.kind, paragraph(&parameter.description, 6));
    }
    text
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
