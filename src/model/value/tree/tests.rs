//! The tree against a map of the standard library.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::value::Value;

impl Key for u16 {}

impl Key for i32 {}

fn check(tree: &Tree<u16, u16>, expected: &BTreeMap<u16, u16>) {
    let entries: Vec<(u16, u16)> = tree.iter().map(|(key, value)| (*key, *value)).collect();
    assert!(entries.iter().copied().eq(expected.iter().map(|(key, value)| (*key, *value))), "{entries:?}");
    assert_eq!(tree.len(), expected.len());
    for position in [0, 7, 100, 333] {
        assert_eq!(tree.at(position), entries.get(position).map(|(key, value)| (key, value)));
    }
    for key in [0, 50, 200] {
        assert_eq!(tree.get(&key).map(|(_, value)| value), expected.get(&key));
        let from: Vec<u16> = tree.iter_from(|one| *one < key).map(|(key, _)| *key).collect();
        assert!(from.iter().eq(expected.range(key..).map(|(key, _)| key)));
    }
}

fn copied(entries: Listed<'_, u16, u16>) -> BTreeMap<u16, u16> {
    entries.into_iter().map(|(key, value)| (*key, *value)).collect()
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
            let (old, new) = (copied(old), copied(new));
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
    assert!(old.len() <= MOST && new.len() <= MOST && new.contains(&(&77_777, &0)));
    assert!(Tree::differing(&after, &after.clone()).0.is_empty() && after.is_same(&after.clone()));
}

/// Texts that begin alike, that end where others go on, and keys that are no text.
fn key() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["(web-|web-server-of-shop-|\0|)[ab\0é]{0,3}", "(shop-[0-9]{1,3}|z{7,9}[0-1]?)",];
    prop_oneof![20 => text.prop_map(|text| Value::from(text.as_str())), 1 => (0i64..3).prop_map(Value::from), 1 => Just(Value::array(vec![]))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn finds_texts_by_their_heads(
        changes in prop::collection::vec((key(), 0u8..4, any::<u16>()), 0..600),
        others in prop::collection::vec(key(), 50),
    ) {
        let (mut expected, mut tree) = (BTreeMap::new(), Tree::default());
        for (key, action, number) in &changes {
            if *action == 0 {
                assert_eq!(tree.remove(key), expected.remove(key).is_some());
            } else {
                assert_eq!(tree.insert(key.clone(), *number), expected.insert(key.clone(), *number).is_none());
            }
        }
        assert!(tree.iter().eq(expected.iter()));
        for key in changes.iter().map(|(key, ..)| key).chain(&others) {
            assert_eq!(tree.get(key).map(|(_, value)| value), expected.get(key));
            assert_eq!(tree.get_mut(key).map(|value| *value), expected.get(key).copied());
            if let Some(text) = key.as_str() {
                assert_eq!(tree.get(text).map(|(_, value)| value), expected.get(key));
            }
        }
    }
}
