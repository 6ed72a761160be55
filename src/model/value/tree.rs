//! A sorted map whose versions share what they have in common: a tree of small nodes, of which a change copies those on
//! one path.
//!
//! Invariants: all leaves are equally deep; no node but the root is empty; keys ascend strictly; the keys of a child are
//! not below the bound before it, and below the bound behind it. Nodes below [`LEAST`]
//! are joined with a neighbour where both fit into one, so a tree that shrinks stays shallow.

use std::cmp::Ordering;
use std::iter::Zip;
use std::slice;
use std::sync::Arc;

use super::keys::{Key, Keys, Sought};

/// Most entries of a leaf, and children of a branch. A change copies so many entries for each level, and each copy
/// touches the reference counts of key and value: large nodes make reading faster and changes slower.
const MOST: usize = 32;
/// Fewer are joined with a neighbour.
const LEAST: usize = 8;

/// The map. Cloning shares.
#[derive(Clone, Debug)]
pub struct Tree<K, V> {
    root: Arc<Node<K, V>>,
}

#[derive(Clone, Debug)]
enum Node<K, V> {
    /// Keys are apart, and shared, because they stay when values change.
    Leaf { keys: Arc<Keys<K>>, values: Vec<V> },
    /// `bounds` are between the children; apart, and shared, because they change only when nodes split or join: to look
    /// for a key, no child has to be looked into, and to copy a branch, no key.
    Branch { children: Vec<Arc<Node<K, V>>>, bounds: Arc<Keys<K>>, len: usize },
}

/// The entries of a tree, or of a slice, in order.
#[derive(Clone, Debug)]
pub struct Iter<'a, K, V> {
    branches: Vec<slice::Iter<'a, Arc<Node<K, V>>>>,
    leaf: Leaf<'a, K, V>,
}

/// The rest of the entries that are together.
#[derive(Clone, Debug)]
enum Leaf<'a, K, V> {
    Pairs(slice::Iter<'a, (K, V)>),
    Apart(Zip<slice::Iter<'a, K>, slice::Iter<'a, V>>),
}

/// Entries of a version.
pub(super) type Listed<'a, K, V> = Vec<(&'a K, &'a V)>;

/// A part of a tree: where it is, the bytes that it takes, and the keys and values that it holds itself.
pub(super) type Held<'a, K, V> = (usize, usize, &'a [K], &'a [V]);

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf { keys: Arc::default(), values: Vec::new() }) }
    }
}

impl<K: Key, V: Clone> Tree<K, V> {
    /// Of entries whose keys ascend strictly.
    pub fn from_sorted(entries: Vec<(K, V)>) -> Self {
        let mut level = Vec::with_capacity(entries.len().div_ceil(MOST));
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let (keys, values): (Vec<K>, Vec<V>) = entries.by_ref().take(MOST).unzip();
            level.push(Arc::new(Node::leaf(keys, values)));
        }
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len().div_ceil(MOST));
            let mut children = level.into_iter().peekable();
            while children.peek().is_some() {
                above.extend(Node::branch(children.by_ref().take(MOST).collect()).map(Arc::new));
            }
            level = above;
        }
        level.pop().map_or_else(Self::default, |root| Self { root })
    }

    /// Puts a value in; whether the key is new.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        let (is_new, right) = insert(&mut self.root, key, value);
        if let Some((bound, right)) = right {
            let (left, len) = (Arc::clone(&self.root), self.len() + right.len());
            let bounds = Arc::new(Keys::from(vec![bound]));
            self.root = Arc::new(Node::Branch { children: vec![left, right], bounds, len });
        }
        is_new
    }

    /// The value of a key, to change in place. Copies what others share on the way, whether or not the key is there.
    pub fn get_mut(&mut self, key: &(impl Sought<K> + ?Sized)) -> Option<&mut V> {
        let mut node = Arc::make_mut(&mut self.root);
        loop {
            match node {
                Node::Branch { children, bounds, .. } => {
                    let at = bounds.count_up_to(key);
                    node = Arc::make_mut(children.get_mut(at)?);
                }
                Node::Leaf { keys, values } => return values.get_mut(keys.search(key).ok()?),
            }
        }
    }

    /// Takes a key away; whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        // Nothing is copied for a key that is not there.
        if self.get(key).is_none() {
            return false;
        }
        remove(&mut self.root, key);
        while let Node::Branch { children, .. } = &*self.root
            && let [only] = children.as_slice()
        {
            self.root = Arc::clone(only);
        }
        true
    }
}

impl<K, V> Tree<K, V> {
    pub fn len(&self) -> usize {
        self.root.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of a key.
    pub fn get(&self, sought: &(impl Sought<K> + ?Sized)) -> Option<(&K, &V)>
    where
        K: Key,
    {
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Branch { children, bounds, .. } => node = children.get(bounds.count_up_to(sought))?,
                Node::Leaf { keys, values } => {
                    let at = keys.search(sought).ok()?;
                    return keys.get(at).zip(values.get(at));
                }
            }
        }
    }

    /// The entry at a position.
    pub fn at(&self, mut position: usize) -> Option<(&K, &V)> {
        let mut node = &self.root;
        'down: loop {
            match &**node {
                Node::Leaf { keys, values } => return keys.get(position).zip(values.get(position)),
                Node::Branch { children, .. } => {
                    for child in children {
                        if position < child.len() {
                            node = child;
                            continue 'down;
                        }
                        position -= child.len();
                    }
                    return None;
                }
            }
        }
    }

    pub fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from(|_| false)
    }

    /// The entries from the first on that is not before the start.
    pub fn iter_from(&self, is_before: impl Fn(&K) -> bool) -> Iter<'_, K, V> {
        let mut branches = Vec::new();
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Leaf { keys, values } => {
                    let at = keys.partition_point(&is_before);
                    let (keys, values) = (keys.get(at..).unwrap_or_default(), values.get(at..).unwrap_or_default());
                    return Iter { branches, leaf: Leaf::Apart(keys.iter().zip(values)) };
                }
                Node::Branch { children, bounds, .. } => {
                    let at = bounds.partition_point(&is_before);
                    let mut rest = children.get(at..).unwrap_or_default().iter();
                    let Some(child) = rest.next() else { return Iter::of_slice(&[]) };
                    branches.push(rest);
                    node = child;
                }
            }
        }
    }

    /// Everything that it is made of.
    pub fn parts(&self) -> Vec<Held<'_, K, V>> {
        let (mut parts, mut pending) = (Vec::new(), vec![&self.root]);
        while let Some(node) = pending.pop() {
            let (bytes, keys, values) = match &**node {
                Node::Leaf { keys, values } => (values.capacity() * size_of::<V>(), keys, values.as_slice()),
                Node::Branch { children, bounds, .. } => {
                    pending.extend(children);
                    (children.capacity() * size_of::<usize>(), bounds, &[][..])
                }
            };
            parts.push((Arc::as_ptr(keys).addr(), keys.bytes(), &keys[..], &[][..]));
            parts.push((Arc::as_ptr(node).addr(), bytes + size_of::<Node<K, V>>(), &[][..], values));
        }
        parts
    }

    /// Whether both are one and the same version.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }
}

impl<K: Ord, V> Tree<K, V> {
    /// Entries of the earlier and of the later version that can differ: what both share is left out, so the work is that
    /// of the changes between them. Both lists ascend.
    pub fn differing<'a>(earlier: &'a Self, later: &'a Self) -> (Listed<'a, K, V>, Listed<'a, K, V>) {
        let (mut old, mut new) = (vec![&earlier.root], vec![&later.root]);
        loop {
            (old, new) = without_shared(&old, &new);
            let (old_depth, new_depth) = (depth(&old), depth(&new));
            if old_depth == 0 && new_depth == 0 {
                return (entries(&old), entries(&new));
            }
            // The deeper one first, until both show nodes of the same depth.
            if old_depth >= new_depth {
                old = children(&old);
            }
            if new_depth >= old_depth {
                new = children(&new);
            }
        }
    }
}

impl<K: Key, V> Node<K, V> {
    fn leaf(keys: Vec<K>, values: Vec<V>) -> Self {
        Self::Leaf { keys: Arc::new(Keys::from(keys)), values }
    }

    /// Of children that have keys.
    fn branch(children: Vec<Arc<Self>>) -> Option<Self> {
        let len = children.iter().map(|child| child.len()).sum();
        let bounds = children.iter().skip(1).map(|child| child.first_key().cloned()).collect::<Option<Vec<K>>>()?;
        Some(Self::Branch { children, bounds: Arc::new(Keys::from(bounds)), len })
    }
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf { values, .. } => values.len(),
            Self::Branch { len, .. } => *len,
        }
    }

    /// Entries of a leaf, children of a branch.
    fn width(&self) -> usize {
        match self {
            Self::Leaf { values, .. } => values.len(),
            Self::Branch { children, .. } => children.len(),
        }
    }

    fn first_key(&self) -> Option<&K> {
        match self {
            Self::Leaf { keys, .. } => keys.first(),
            Self::Branch { children, .. } => children.first()?.first_key(),
        }
    }
}

/// The upper half of a node that grew too large, and its bound.
type Split<K, V> = Option<(K, Arc<Node<K, V>>)>;

fn insert<K: Key, V: Clone>(node: &mut Arc<Node<K, V>>, key: K, value: V) -> (bool, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf { keys, values } => match keys.search(&key) {
            Ok(at) => {
                if let Some(old) = values.get_mut(at) {
                    *old = value;
                }
                (false, None)
            }
            Err(at) => {
                let keys = Arc::make_mut(keys);
                keys.insert(at, key);
                values.insert(at, value);
                if keys.len() <= MOST {
                    return (true, None);
                }
                let (upper, values) = (keys.split_off(MOST / 2), values.split_off(MOST / 2));
                let bound = upper.first().cloned();
                (true, bound.map(|bound| (bound, Arc::new(Node::leaf(upper, values)))))
            }
        },
        Node::Branch { children, bounds, len } => {
            let at = bounds.count_up_to(&key);
            let Some(child) = children.get_mut(at) else { return (false, None) };
            let (is_new, right) = insert(child, key, value);
            *len += usize::from(is_new);
            if let Some((bound, right)) = right {
                children.insert(at + 1, right);
                Arc::make_mut(bounds).insert(at, bound);
            }
            (is_new, split_branch(children, bounds, len))
        }
    }
}

fn split_branch<K: Key, V>(
    children: &mut Vec<Arc<Node<K, V>>>,
    bounds: &mut Arc<Keys<K>>,
    len: &mut usize,
) -> Split<K, V> {
    if children.len() <= MOST {
        return None;
    }
    let bounds = Arc::make_mut(bounds);
    let upper = bounds.split_off(MOST / 2);
    let bound = bounds.split_off(MOST / 2 - 1).pop()?;
    let children = children.split_off(MOST / 2);
    let moved = children.iter().map(|child| child.len()).sum();
    *len -= moved;
    Some((bound, Arc::new(Node::Branch { children, bounds: Arc::new(Keys::from(upper)), len: moved })))
}

fn remove<K: Key, V: Clone>(node: &mut Arc<Node<K, V>>, key: &K) {
    match Arc::make_mut(node) {
        Node::Leaf { keys, values } => {
            if let Ok(at) = keys.search(key) {
                Arc::make_mut(keys).remove(at);
                values.remove(at);
            }
        }
        Node::Branch { children, bounds, len } => {
            let at = bounds.count_up_to(key);
            let Some(child) = children.get_mut(at) else { return };
            remove(child, key);
            *len -= 1;
            if child.width() == 0 {
                children.remove(at);
                Arc::make_mut(bounds).remove(at.saturating_sub(1));
            } else if child.width() < LEAST {
                unite(children, bounds, at);
            }
        }
    }
}

/// Joins a small child with the neighbour before or behind it, where both fit into one.
fn unite<K: Key, V: Clone>(children: &mut Vec<Arc<Node<K, V>>>, bounds: &mut Arc<Keys<K>>, at: usize) {
    let left = if at + 1 < children.len() { at } else { at.saturating_sub(1) };
    let (Some(one), Some(other)) = (children.get(left), children.get(left + 1)) else { return };
    if one.width() + other.width() > MOST {
        return;
    }
    let other = children.remove(left + 1);
    let Some(bound) = Arc::make_mut(bounds).remove(left) else { return };
    let Some(one) = children.get_mut(left) else { return };
    match (Arc::make_mut(one), &*other) {
        (Node::Leaf { keys, values }, Node::Leaf { keys: others, values: more }) => {
            Arc::make_mut(keys).extend(others.iter().cloned());
            values.extend_from_slice(more);
        }
        (Node::Branch { children, bounds, len }, Node::Branch { children: others, bounds: more, len: added }) => {
            children.extend_from_slice(others);
            Arc::make_mut(bounds).extend([bound].into_iter().chain(more.iter().cloned()));
            *len += added;
        }
        // Neighbours are equally deep.
        (Node::Leaf { .. }, Node::Branch { .. }) | (Node::Branch { .. }, Node::Leaf { .. }) => {}
    }
}

type Nodes<'a, K, V> = Vec<&'a Arc<Node<K, V>>>;

/// Both without the nodes that are in both. Equal nodes begin with the same key, so a merge meets all of them.
fn without_shared<'a, K: Ord, V>(
    old: &[&'a Arc<Node<K, V>>],
    new: &[&'a Arc<Node<K, V>>],
) -> (Nodes<'a, K, V>, Nodes<'a, K, V>) {
    let (mut kept_old, mut kept_new) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().copied().peekable(), new.iter().copied().peekable());
    while let (Some(one), Some(other)) = (old.peek(), new.peek()) {
        if Arc::ptr_eq(one, other) {
            old.next();
            new.next();
            continue;
        }
        match one.first_key().cmp(&other.first_key()) {
            Ordering::Less => kept_old.extend(old.next()),
            Ordering::Greater => kept_new.extend(new.next()),
            Ordering::Equal => {
                kept_old.extend(old.next());
                kept_new.extend(new.next());
            }
        }
    }
    kept_old.extend(old);
    kept_new.extend(new);
    (kept_old, kept_new)
}

fn depth<K, V>(nodes: &[&Arc<Node<K, V>>]) -> usize {
    let (mut depth, mut node) = (0, nodes.first().copied());
    while let Some(Node::Branch { children, .. }) = node.map(|node| &**node) {
        depth += 1;
        node = children.first();
    }
    depth
}

fn children<'a, K, V>(nodes: &[&'a Arc<Node<K, V>>]) -> Nodes<'a, K, V> {
    let below = |node: &&'a Arc<Node<K, V>>| match &***node {
        Node::Branch { children, .. } => children.as_slice(),
        Node::Leaf { .. } => &[],
    };
    nodes.iter().flat_map(below).collect()
}

fn entries<'a, K, V>(nodes: &[&'a Arc<Node<K, V>>]) -> Listed<'a, K, V> {
    let within = |node: &&'a Arc<Node<K, V>>| match &***node {
        Node::Leaf { keys, values } => keys.iter().zip(values),
        Node::Branch { .. } => [].iter().zip(&[]),
    };
    nodes.iter().flat_map(within).collect()
}

impl<'a, K, V> Iter<'a, K, V> {
    pub fn of_slice(entries: &'a [(K, V)]) -> Self {
        Self { branches: Vec::new(), leaf: Leaf::Pairs(entries.iter()) }
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<(&'a K, &'a V)> {
        loop {
            let Some(node) = self.branches.last_mut()?.next() else {
                self.branches.pop();
                continue;
            };
            match &**node {
                Node::Branch { children, .. } => self.branches.push(children.iter()),
                Node::Leaf { keys, values } => {
                    self.leaf = Leaf::Apart(keys.iter().zip(values));
                    if let Some(entry) = self.leaf.next() {
                        return Some(entry);
                    }
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Leaf<'a, K, V> {
    type Item = (&'a K, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Pairs(pairs) => pairs.next().map(|(key, value)| (key, value)),
            Self::Apart(apart) => apart.next(),
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.leaf.next() {
            Some(entry) => Some(entry),
            None if self.branches.is_empty() => None,
            None => self.next_leaf(),
        }
    }
}

#[cfg(test)]
mod tests;
