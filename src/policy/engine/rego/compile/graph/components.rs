//! Groups of rules that all depend on each other (Tarjan's algorithm without recursion).
//!
//! Invariant: groups come after the groups that they depend on.

use std::collections::BTreeSet;

pub(super) struct Components {
    pub(super) members: Vec<Vec<usize>>,
    number: Vec<usize>,
}

const UNSEEN: usize = usize::MAX;

struct Search<'f> {
    targets: &'f dyn Fn(usize) -> BTreeSet<usize>,
    seen_at: Vec<usize>,
    lowest: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    clock: usize,
    result: Components,
}

impl Components {
    pub(super) fn new(count: usize, targets: &dyn Fn(usize) -> BTreeSet<usize>) -> Self {
        let mut search = Search {
            targets,
            seen_at: vec![UNSEEN; count],
            lowest: vec![UNSEEN; count],
            is_open: vec![false; count],
            open: Vec::new(),
            clock: 0,
            result: Self { members: Vec::new(), number: vec![UNSEEN; count] },
        };
        for start in 0..count {
            if search.seen(start) == UNSEEN {
                search.run(start);
            }
        }
        search.result
    }

    pub(super) fn are_together(&self, left: usize, right: usize) -> bool {
        self.number.get(left) == self.number.get(right)
    }
}

impl Search<'_> {
    fn run(&mut self, start: usize) {
        let mut stack = vec![self.enter(start)];
        while let Some((node, targets)) = stack.last_mut() {
            let node = *node;
            let Some(target) = targets.next() else {
                stack.pop();
                self.leave(node);
                if let Some((parent, _)) = stack.last() {
                    self.lower(*parent, self.lowest.get(node).copied());
                }
                continue;
            };
            if self.seen(target) == UNSEEN {
                stack.push(self.enter(target));
            } else if self.is_open.get(target).copied().unwrap_or(false) {
                let seen = self.seen(target);
                self.lower(node, Some(seen));
            }
        }
    }

    fn enter(&mut self, node: usize) -> (usize, std::collections::btree_set::IntoIter<usize>) {
        let now = self.clock;
        self.clock += 1;
        set(&mut self.seen_at, node, now);
        set(&mut self.lowest, node, now);
        set(&mut self.is_open, node, true);
        self.open.push(node);
        (node, (self.targets)(node).into_iter())
    }

    /// Closes the group whose first node this is.
    fn leave(&mut self, node: usize) {
        if self.lowest.get(node) != self.seen_at.get(node) {
            return;
        }
        let mut members = Vec::new();
        while let Some(member) = self.open.pop() {
            set(&mut self.is_open, member, false);
            set(&mut self.result.number, member, self.result.members.len());
            members.push(member);
            if member == node {
                break;
            }
        }
        self.result.members.push(members);
    }

    fn seen(&self, node: usize) -> usize {
        self.seen_at.get(node).copied().unwrap_or(0)
    }

    fn lower(&mut self, node: usize, value: Option<usize>) {
        if let (Some(slot), Some(value)) = (self.lowest.get_mut(node), value) {
            *slot = value.min(*slot);
        }
    }
}

fn set<T>(slots: &mut [T], index: usize, value: T) {
    if let Some(slot) = slots.get_mut(index) {
        *slot = value;
    }
}
