//! Which constraints can apply to a kind at all, found without looking at each of them.

use std::collections::BTreeMap;

use crate::model::api::Match;

/// Positions of constraints by the kinds that their criteria name.
#[derive(Debug, Default)]
pub struct MatchIndex {
    by_kind: BTreeMap<String, Vec<usize>>,
    any_kind: Vec<usize>,
}

impl MatchIndex {
    /// Indexes criteria by their position.
    pub fn new<'a>(all: impl IntoIterator<Item = &'a Match>) -> Self {
        let mut index = Self::default();
        for (position, criteria) in all.into_iter().enumerate() {
            let names_all = |kinds: &[String]| kinds.is_empty() || kinds.iter().any(|kind| kind == "*");
            if criteria.kinds.is_empty() || criteria.kinds.iter().any(|selector| names_all(&selector.kinds)) {
                index.any_kind.push(position);
                continue;
            }
            for kind in criteria.kinds.iter().flat_map(|selector| &selector.kinds) {
                let positions = index.by_kind.entry(kind.clone()).or_default();
                if positions.last() != Some(&position) {
                    positions.push(position);
                }
            }
        }
        index
    }

    /// Positions that can apply to one of these kinds, in order.
    pub fn candidates<'a>(&self, kinds: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        let mut positions = self.any_kind.clone();
        for kind in kinds {
            positions.extend(self.by_kind.get(kind).into_iter().flatten());
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::object::FieldPath;

    #[test]
    fn finds_named_and_general_constraints() {
        let all = [
            json!({"kinds": [{"kinds": ["Pod", "Service"]}, {"kinds": ["Pod"]}]}),
            json!({}),
            json!({"kinds": [{"kinds": ["Service"]}]}),
            json!({"kinds": [{"kinds": ["*"]}]}),
        ]
        .map(|value| Match::parse(&value, FieldPath::root(), &mut Vec::new()));
        let index = MatchIndex::new(&all);
        assert_eq!(index.candidates(["Pod"]), [0, 1, 3]);
        assert_eq!(index.candidates(["Service", "Service"]), [0, 1, 2, 3]);
        assert_eq!(index.candidates(["Node"]), [1, 3]);
    }
}
