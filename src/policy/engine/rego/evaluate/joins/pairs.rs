//! Pairs of numbers, sorted, of which many versions are around: most are in one piece of memory that versions share, and
//! what changed lately is kept apart, in a tree so small that changing it costs little.

use std::sync::Arc;

use crate::policy::engine::rego::value::Tree;

/// Changes that are kept apart. When they are put in, every pair is copied once.
const MOST_RECENT: usize = 1_024;

/// A pair of hashes.
type Pair = (u64, u64);

/// The pairs. Cloning shares.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    /// Ascending.
    settled: Arc<[Pair]>,
    /// Pairs that came, and those that went.
    recent: Tree<Pair, bool>,
}

impl Default for Pairs {
    fn default() -> Self {
        Self { settled: Arc::from([]), recent: Tree::default() }
    }
}

impl Pairs {
    pub(super) fn insert(&mut self, pair: Pair) {
        self.recent.insert(pair, true);
    }

    pub(super) fn remove(&mut self, pair: Pair) {
        self.recent.insert(pair, false);
    }

    /// What pairs that begin with this number end with, in no order.
    pub(super) fn of(&self, first: u64) -> impl Iterator<Item = u64> {
        let is_first = move |(one, _): &Pair| *one == first;
        let settled = self.settled.get(self.settled.partition_point(|(one, _)| *one < first)..).unwrap_or_default();
        let settled = settled.iter().take_while(move |pair| is_first(pair));
        let unchanged = settled.filter(|pair| self.recent.get(*pair).is_none());
        let recent = self.recent.iter_from(move |(one, _)| *one < first).take_while(move |(pair, _)| is_first(pair));
        let added = recent.filter(|(_, is_there)| **is_there).map(|(pair, _)| pair);
        unchanged.chain(added).map(|(_, second)| *second)
    }

    /// Puts what changed with the rest, once there is much of it.
    pub(super) fn settle(&mut self) {
        if self.recent.len() <= MOST_RECENT {
            return;
        }
        let mut all = Vec::with_capacity(self.settled.len() + self.recent.len());
        let mut settled = &self.settled[..];
        for (pair, is_there) in self.recent.iter() {
            let (before, rest) = settled.split_at(settled.partition_point(|one| one < pair));
            all.extend_from_slice(before);
            all.extend(is_there.then_some(*pair));
            settled = rest.strip_prefix(&[*pair]).unwrap_or(rest);
        }
        all.extend_from_slice(settled);
        *self = Self { settled: Arc::from(all), recent: Tree::default() };
    }

    pub(super) fn len(&self) -> usize {
        let change = |(pair, is_there): (&Pair, &bool)| match (self.settled.binary_search(pair).is_ok(), *is_there) {
            (false, true) => 1,
            (true, false) => -1,
            _ => 0,
        };
        self.settled.len().saturating_add_signed(self.recent.iter().map(change).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pairs_are_those_that_were_put_in_and_not_taken_out() {
        let (mut pairs, mut model) = (Pairs::default(), BTreeSet::new());
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pair = ((state >> 33) % 700, (state >> 50) % 5);
            if state >> 63 == 0 || round < 3_000 {
                pairs.insert(pair);
                model.insert(pair);
            } else {
                pairs.remove(pair);
                model.remove(&pair);
            }
            if round % 7 == 0 {
                pairs.settle();
            }
            if round % 97 == 0 {
                assert_eq!(pairs.len(), model.len());
                let of: BTreeSet<u64> = pairs.of(pair.0).collect();
                assert_eq!(of, model.range((pair.0, 0)..=(pair.0, u64::MAX)).map(|(_, second)| *second).collect());
            }
        }
        assert!(!pairs.settled.is_empty());
    }
}
