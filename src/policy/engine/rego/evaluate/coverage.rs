//! What was evaluated and what held, counted by place; and for the members of the rule that was asked for, why they are
//! there. For the authors of policies: a plan must have been made with its sources, see `Watch`.
//!
//! Bounded: of reasons so many are kept, the others are passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::Place;

/// The most reasons that are kept.
const MAX_PROOFS: usize = 1_000;

/// Of any number of evaluations.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By module, line and column. Heads of rules have column 0: there is only one in a line that anybody reads.
    hits: BTreeMap<Arc<str>, BTreeMap<(u32, u32), Hits>>,
    keeps_proofs: bool,
    proofs: Vec<Proof>,
    /// Where the rule is that was asked for.
    pub(super) root: Vec<String>,
}

/// How often something happened at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// It was evaluated.
    pub evaluated: u64,
    /// It held: for the head of a rule, its body did.
    pub held: u64,
}

/// Why the rule that was asked for has a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The member, as JSON.
    pub member: serde_json::Value,
    /// Where the rule stands that makes it.
    pub head: Held,
    /// The expressions that held on the way to it, in the order in which they were evaluated.
    pub steps: Vec<Held>,
}

/// What held, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The module's name.
    pub module: String,
    /// Line in the module.
    pub line: u32,
    /// As written, and with which values.
    pub text: String,
}

impl Coverage {
    /// One that keeps reasons, too.
    pub fn with_proofs() -> Self {
        Self { keeps_proofs: true, ..Self::default() }
    }

    /// What happened at a place; heads of rules have column 0.
    pub fn hits(&self, module: &str, line: u32, column: u32) -> Hits {
        self.hits.get(module).and_then(|places| places.get(&(line, column))).copied().unwrap_or_default()
    }

    /// Why members are there.
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// Adds what other evaluations of the same code did.
    pub fn merge(&mut self, other: &Self) {
        for (module, places) in &other.hits {
            let known = self.hits.entry(Arc::clone(module)).or_default();
            for (place, hits) in places {
                let sum = known.entry(*place).or_default();
                sum.evaluated = sum.evaluated.saturating_add(hits.evaluated);
                sum.held = sum.held.saturating_add(hits.held);
            }
        }
        let room = MAX_PROOFS.saturating_sub(self.proofs.len());
        self.proofs.extend(other.proofs.iter().take(room).cloned());
    }

    pub(super) fn evaluate(&mut self, place: &Place, column: u32) {
        let hits = self.at(place, column);
        hits.evaluated = hits.evaluated.saturating_add(1);
    }

    pub(super) fn hold(&mut self, place: &Place, column: u32) {
        let hits = self.at(place, column);
        hits.held = hits.held.saturating_add(1);
    }

    pub(super) fn wants_proof(&self) -> bool {
        self.keeps_proofs && self.proofs.len() < MAX_PROOFS
    }

    pub(super) fn prove(&mut self, proof: Proof) {
        self.proofs.push(proof);
    }

    fn at(&mut self, place: &Place, column: u32) -> &mut Hits {
        // Cheap when it is known; names are shared by all places of a module.
        let module = place.module.clone().unwrap_or_else(|| Arc::from(""));
        self.hits.entry(module).or_default().entry((place.line, column)).or_default()
    }
}

impl Held {
    pub(super) fn at(place: &Place, text: String) -> Self {
        Self { module: place.module.as_deref().unwrap_or_default().to_owned(), line: place.line, text }
    }
}
