//! Indexes of one version of the inventory for one plan: which objects have which key.
//!
//! An index answers for exactly the inventory that it was made of; the next version's is made from it and from what
//! changed between the two. An object of which the keys cannot be found, because the policy fails on it, takes its index
//! out of use for as long as it is there, so that the scan meets it and fails as it always did.

mod pairs;

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::policy::engine::rego::builtins::Caches;
use crate::policy::engine::rego::value::{Tree, Value};

use super::EvalError;
use super::machine::extract;
use super::plan::{Join, Plan};
use pairs::Pairs;

/// Keys of the inventory's two parts, and how many keys lead from there to an object.
const PARTS: [(&str, usize); 2] = [("cluster", 3), ("namespace", 4)];

/// The keys that lead to an object, ordered as a scan meets them.
type Place = Arc<[Value]>;

/// The indexes.
#[derive(Clone, Debug)]
pub struct Joins {
    inventory: Value,
    indexes: Box<[Index]>,
}

/// The index of one join: objects by the hashes of their keys. A hash that two keys share leads to objects too many, which
/// an index may; and with 100,000 of them, keys themselves would have to be fetched from all over the memory to be compared.
///
/// Objects are told by numbers, so that copying what changes touches nothing else: with places in it, the reference count
/// of each would be fetched from somewhere else.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Hash of a key, and number of an object that has it.
    entries: Pairs,
    /// Objects that have a key, by their numbers: the hashes of their places.
    places: Tree<u64, Place>,
    /// Objects whose keys could not be found, or whose number another one has.
    failed: Tree<Place, ()>,
}

/// What differs between two versions of an inventory.
#[derive(Debug)]
pub struct Differences<'a>(Vec<Difference<'a>>);

/// One change of an object, as it was noted when it happened.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The keys that lead to it below its part of the inventory.
    pub place: Arc<[Value]>,
    /// As it was, if it was there.
    pub before: Option<Value>,
    /// As it is, if it is there.
    pub after: Option<Value>,
}

/// An object that is in one version and not, or not the same, in the other.
#[derive(Clone, Debug)]
struct Difference<'a> {
    place: Place,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl Joins {
    /// The index of a join; nothing when it must not be used.
    pub(super) fn index(&self, number: u32) -> Option<&Index> {
        self.indexes.get(number as usize).filter(|index| index.failed.is_empty())
    }

    /// Whether this is about that very version.
    pub fn is_of(&self, inventory: &Value) -> bool {
        self.inventory.is_identical(inventory)
    }

    /// Entries of all indexes.
    pub fn len(&self) -> usize {
        self.indexes.iter().map(|index| index.entries.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Plan {
    /// Whether some loop goes by an index.
    pub fn has_joins(&self) -> bool {
        !self.joins.is_empty()
    }

    /// The indexes of a version of the inventory, from those of an earlier one of the same plan where there are any, and
    /// what differs from that one.
    pub fn index(
        &self,
        inventory: &Value,
        earlier: Option<&Joins>,
        differences: &Differences<'_>,
        caches: &mut Caches,
    ) -> Joins {
        let mut joins = Joins {
            inventory: inventory.clone(),
            indexes: match earlier {
                Some(earlier) => earlier.indexes.clone(),
                None => self.joins.iter().map(|_| Index::default()).collect(),
            },
        };
        caches.begin_evaluation();
        for difference in &differences.0 {
            for (join, index) in self.joins.iter().zip(&mut joins.indexes) {
                index.update(self, join, difference, caches);
            }
        }
        joins.indexes.iter_mut().for_each(|index| index.entries.settle());
        joins
    }
}

impl<'a> Differences<'a> {
    /// These, in the order in which they happened. One object may be among them several times.
    pub fn of(changes: impl Iterator<Item = &'a Noted>) -> Self {
        let difference = |Noted { place, before, after }: &'a Noted| Difference {
            place: Arc::clone(place),
            before: before.as_ref(),
            after: after.as_ref(),
        };
        Self(changes.map(difference).collect())
    }

    /// Between an earlier version, if there is one, and a later one.
    pub fn between(earlier: Option<&'a Value>, later: &'a Value) -> Self {
        let mut differences = Vec::new();
        for (part, depth) in PARTS {
            let key = Value::string(part);
            let before = earlier.and_then(|earlier| earlier.get(&key));
            differ(before, later.get(&key), depth, &mut Vec::new(), &mut differences);
        }
        Self(differences)
    }
}

impl Index {
    /// Objects with that key, and maybe others, in the order of a scan.
    pub(super) fn find<'a>(&'a self, key: &Value) -> impl Iterator<Item = &'a [Value]> {
        let hash = hash(key);
        let places = self.entries.of(hash).filter_map(|number| self.places.get(&number));
        let mut places: Vec<&[Value]> = places.map(|(_, place)| &**place).collect();
        places.sort_unstable_by(|one, other| in_scan(one, other));
        places.into_iter()
    }

    fn update(&mut self, plan: &Plan, join: &Join, difference: &Difference<'_>, caches: &mut Caches) {
        let Difference { place, before, after } = difference;
        if !join.is_at(plan, place) {
            return;
        }
        let mut hashes = |object: &Value| {
            let keys = extract(plan, join, place, object, caches)?;
            Ok::<_, Box<EvalError>>(keys.iter().map(hash).collect::<Vec<u64>>())
        };
        // What failed has no entries.
        let had_failed = !self.failed.is_empty() && self.failed.remove(place);
        let before = before.filter(|_| !had_failed).and_then(|before| hashes(before).ok()).unwrap_or_default();
        let after = after.map_or(Ok(Vec::new()), hashes);
        let number = hash(place);
        let is_new = before.is_empty() && after.as_ref().is_ok_and(|after| !after.is_empty());
        let has_failed = after.is_err() || is_new && !self.admit(number, place);
        if has_failed {
            self.failed.insert(Arc::clone(place), ());
        }
        let after = after.ok().filter(|_| !has_failed).unwrap_or_default();
        for hash in before.iter().filter(|hash| !after.contains(hash)) {
            self.entries.remove((*hash, number));
        }
        if after.is_empty() && !before.is_empty() {
            self.places.remove(&number);
        }
        for hash in after.into_iter().filter(|hash| !before.contains(hash)) {
            self.entries.insert((hash, number));
        }
    }

    /// Whether an object is known by its number from now on, which it is not when another one has the same.
    fn admit(&mut self, number: u64, place: &Place) -> bool {
        if let Some((_, known)) = self.places.get(&number) {
            return known == place;
        }
        self.places.insert(number, Arc::clone(place))
    }
}

/// The order of two places in a scan. Most have names of namespaces and kinds in common, which are the same in memory.
fn in_scan(one: &[Value], other: &[Value]) -> Ordering {
    let is_same = |(one, other): &(&Value, &Value)| match (one, other) {
        (Value::String(one), Value::String(other)) => Arc::ptr_eq(one, other),
        _ => false,
    };
    let differing = one.iter().zip(other).filter(|pair| !is_same(pair));
    let mut orders = differing.map(|(one, other)| one.cmp(other));
    orders.find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
}

/// Equal keys have equal hashes, in every process.
fn hash(key: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Every object below that differs. What both versions share is not looked at.
fn differ<'a>(
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    depth: usize,
    path: &mut Vec<Value>,
    differences: &mut Vec<Difference<'a>>,
) {
    if is_shared(before, after) {
        return;
    }
    if depth == 0 {
        differences.push(Difference { place: Arc::from(path.as_slice()), before, after });
        return;
    }
    let (old, new) = Value::differing(before, after);
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let (key, before, after) = match (old.peek().copied(), new.peek().copied()) {
            (Some((one, before)), Some((other, after))) if one == other => (one, Some(before), Some(after)),
            (Some((one, before)), Some((other, _))) if one < other => (one, Some(before), None),
            (_, Some((other, after))) => (other, None, Some(after)),
            (Some((one, before)), None) => (one, Some(before), None),
            (None, None) => return,
        };
        if !is_shared(before, after) {
            path.push(key.clone());
            differ(before, after, depth - 1, path, differences);
            path.pop();
        }
        if before.is_some() {
            old.next();
        }
        if after.is_some() {
            new.next();
        }
    }
}

fn is_shared(before: Option<&Value>, after: Option<&Value>) -> bool {
    before.zip(after).is_some_and(|(before, after)| before.is_identical(after))
}
