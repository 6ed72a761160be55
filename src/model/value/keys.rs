//! Keys of one node of a tree, ascending: to look for one, hardly any has to be looked into.
//!
//! The keys of a node are neighbours among many, so texts begin alike. What comes after that, as far as it fits into a
//! number, is kept beside them: these numbers tell nearly all keys apart. Texts themselves are all over the memory, and with
//! 100,000 of them each comparison of a search would wait for another place of it.

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use super::Value;

/// Strings among the types of values.
const RANK_OF_STRINGS: u8 = 3;

/// What a tree is sorted by.
pub trait Key: Ord + Clone {
    /// The text by whose bytes it is ordered among others that are text.
    fn text(&self) -> Option<&str> {
        None
    }
}

/// What a key is looked for by.
pub trait Sought<K> {
    /// The order of the key relative to what is looked for.
    fn order_of(&self, key: &K) -> Ordering;

    /// Its text, if the keys that it is equal to have one.
    fn as_text(&self) -> Option<&str>;
}

impl Key for u64 {}

impl Key for (u64, u64) {}

impl Key for Arc<[Value]> {}

impl Key for Value {
    fn text(&self) -> Option<&str> {
        self.as_str()
    }
}

impl<K: Key> Sought<K> for K {
    fn order_of(&self, key: &K) -> Ordering {
        key.cmp(self)
    }

    fn as_text(&self) -> Option<&str> {
        self.text()
    }
}

impl Sought<Value> for str {
    fn order_of(&self, key: &Value) -> Ordering {
        match key {
            Value::String(text) => (**text).cmp(self),
            other => other.rank().cmp(&RANK_OF_STRINGS),
        }
    }

    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

/// The keys.
#[derive(Clone, Debug)]
pub(super) struct Keys<K> {
    keys: Vec<K>,
    /// How many bytes at the beginning all of them share.
    shared: usize,
    /// What follows these bytes; empty when some key is no text.
    heads: Vec<u64>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), shared: 0, heads: Vec::new() }
    }
}

impl<K> Deref for Keys<K> {
    type Target = [K];

    fn deref(&self) -> &[K] {
        &self.keys
    }
}

impl<K> Keys<K> {
    /// Heap bytes, and its own.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.keys.capacity() * size_of::<K>() + self.heads.capacity() * size_of::<u64>()
    }
}

impl<K: Key> From<Vec<K>> for Keys<K> {
    fn from(keys: Vec<K>) -> Self {
        let mut all = Self { keys, ..Self::default() };
        all.find_heads();
        all
    }
}

impl<K: Key> Keys<K> {
    /// Where a key is, or where it would be.
    pub(super) fn search(&self, sought: &(impl Sought<K> + ?Sized)) -> Result<usize, usize> {
        let (Some(text), Some(first)) = (sought.as_text(), self.first_text()) else {
            return self.keys.binary_search_by(|key| sought.order_of(key));
        };
        let (start, rest) = text.as_bytes().split_at(self.shared.min(text.len()));
        match start.cmp(first.get(..self.shared).unwrap_or_default()) {
            Ordering::Less => return Err(0),
            Ordering::Greater => return Err(self.keys.len()),
            Ordering::Equal => {}
        }
        let head = head(rest);
        let from = self.heads.partition_point(|one| *one < head);
        let alike = self.heads.iter().skip(from).take_while(|one| **one == head).count();
        let keys = self.keys.get(from..from + alike).unwrap_or_default();
        match keys.binary_search_by(|key| sought.order_of(key)) {
            Ok(at) => Ok(from + at),
            Err(at) => Err(from + at),
        }
    }

    /// How many keys are not behind this one.
    pub(super) fn count_up_to(&self, sought: &(impl Sought<K> + ?Sized)) -> usize {
        match self.search(sought) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    pub(super) fn insert(&mut self, at: usize, key: K) {
        let head = self.head_of(&key);
        self.keys.insert(at, key);
        match head {
            Some(head) => self.heads.insert(at, head),
            None => self.find_heads(),
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<K> {
        if at >= self.keys.len() {
            return None;
        }
        // What the rest shares may be more; what it is known to share is enough.
        if !self.heads.is_empty() {
            self.heads.remove(at);
        }
        Some(self.keys.remove(at))
    }

    pub(super) fn split_off(&mut self, at: usize) -> Vec<K> {
        let upper = self.keys.split_off(at);
        self.find_heads();
        upper
    }

    pub(super) fn extend(&mut self, keys: impl IntoIterator<Item = K>) {
        self.keys.extend(keys);
        self.find_heads();
    }

    /// The first key's bytes, if all keys are text.
    fn first_text(&self) -> Option<&[u8]> {
        if self.heads.is_empty() { None } else { self.keys.first()?.text().map(str::as_bytes) }
    }

    /// The head of one more key, if it begins like the others.
    fn head_of(&self, key: &K) -> Option<u64> {
        let (text, first) = (key.text()?.as_bytes(), self.first_text()?);
        let begins_alike = text.get(..self.shared)? == first.get(..self.shared)?;
        begins_alike.then(|| head(text.get(self.shared..).unwrap_or_default()))
    }

    fn find_heads(&mut self) {
        self.heads.clear();
        self.shared = 0;
        let texts = self.keys.iter().map(|key| key.text().map(str::as_bytes)).collect::<Option<Vec<&[u8]>>>();
        // They ascend: what the first and the last share, all share.
        if let Some(texts) = texts
            && let (Some(first), Some(last)) = (texts.first(), texts.last())
        {
            self.shared = first.iter().zip(*last).take_while(|(one, other)| one == other).count();
            self.heads.reserve_exact(texts.len());
            self.heads.extend(texts.iter().map(|text| head(text.get(self.shared..).unwrap_or_default())));
        }
    }
}

/// The first bytes as a number that orders like them; what is shorter comes before, or is told the same.
fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; size_of::<u64>()];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}
