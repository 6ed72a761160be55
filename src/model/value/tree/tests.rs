//! The tree against a map of the standard library.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn check(tree: &Tree<u16, u16>, expected: &BTreeMap<u16, u16>) {
    let entries: Vec<(u16, u16)> = tree.iter().copied().collect();
    assert!(entries.iter().copied().eq(expected.iter().map(|(key, value)| (*key, *value))), "{entries:?}");
    assert_eq!(tree.len(), expected.len());
    for position in [0, 7, 100, 333] {
        assert_eq!(tree.at(position).copied(), entries.get(position).copied());
    }
    for key in [0, 50, 200] {
        assert_eq!(tree.get(|one| one.cmp(&key)).map(|(_, value)| value), expected.get(&key));
        let from: Vec<u16> = tree.iter_from(|one| *one < key).map(|(key, _)| *key).collect();
        assert!(from.iter().eq(expected.range(key..).map(|(key, _)| key)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn is_a_map_whose_versions_stay(
        start in 0u16..800,
        changes in prop::collection::vec((0u16..600, any::<bool>(), any::<u16>()), 0..900),
    ) {
        let mut expected: BTreeMap<u16, u16> = (0..start).map(|key| (key, key)).collect();
        let mut tree = Tree::from_sorted(expected.iter().map(|(key, value)| (*key, *value)).collect());
        for chunk in changes.chunks(90) {
            let (before, expected_before) = (tree.clone(), expected.clone());
            for (key, is_put, value) in chunk {
                if *is_put {
                    assert_eq!(tree.insert(*key, *value), expected.insert(*key, *value).is_none());
                } else {
                    assert_eq!(tree.remove(key), expected.remove(key).is_some());
                }
                if let Some(value) = tree.get_mut(&(key / 2)) {
                    *value ^= 1;
                    *expected.get_mut(&(key / 2)).unwrap() ^= 1;
                }
            }
            check(&tree, &expected);
            check(&before, &expected_before);
            let (old, new) = Tree::differing(&before, &tree);
            let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (old.into_iter().copied().collect(), new.into_iter().copied().collect());
            let mut patched = expected_before;
            old.keys().for_each(|key| { patched.remove(key); });
            patched.extend(new);
            assert_eq!(patched, expected);
        }
    }
}

#[test]
fn one_change_of_many_is_found_quickly() {
    let before = Tree::from_sorted((0..100_000).map(|key| (key, key)).collect());
    let mut after = before.clone();
    after.insert(77_777, 0);
    let (old, new) = Tree::differing(&before, &after);
    assert!(old.len() <= MOST && new.len() <= MOST && new.contains(&&(77_777, 0)));
    assert!(Tree::differing(&after, &after.clone()).0.is_empty() && after.is_same(&after.clone()));
}
