//! When each account has its next breakpoint: a tournament, whose winner is the first.
//!
//! One entry an account, so nothing is ever stale. A change climbs only as far as it changes who is first, which is a
//! step or two where the accounts are many; at worst it is the logarithm of their number.

use super::stretch::NEVER;
use crate::time::Timestamp;

const ROOT: usize = 1;

/// The next breakpoint of every account, in a complete binary tree: node `i` has the earlier of `2i` and `2i + 1`.
#[derive(Debug, Clone)]
pub(super) struct Breakpoints {
    times: Vec<Timestamp>,
    accounts: usize,
}

/// A node of the tree: an account, or several of which the first is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node(usize);

impl Default for Breakpoints {
    fn default() -> Self {
        Self { times: vec![NEVER; 2 * ROOT], accounts: 0 }
    }
}

impl Breakpoints {
    /// Room for one more account, which has no breakpoint.
    pub(super) fn add(&mut self) {
        self.accounts += 1;
        let leaves = self.leaves();
        if self.accounts > leaves {
            let old = std::mem::replace(&mut self.times, vec![NEVER; 4 * leaves]);
            for (account, time) in old[leaves..].iter().enumerate() {
                self.set(account, *time);
            }
        }
    }

    fn leaves(&self) -> usize {
        self.times.len() / 2
    }

    /// The account's next breakpoint is this from now on.
    pub(super) fn set(&mut self, account: usize, at: Timestamp) {
        let mut node = self.leaves() + account;
        self.times[node] = at;
        while node > ROOT {
            node /= 2;
            let first = self.times[2 * node].min(self.times[2 * node + 1]);
            if self.times[node] == first {
                break;
            }
            self.times[node] = first;
        }
    }

    /// The first breakpoint of all.
    pub(super) fn first(&self) -> Timestamp {
        self.times[ROOT]
    }

    /// Whose it is; of several at once, any.
    pub(super) fn first_account(&self) -> usize {
        self.account(Self::all(), |_| ())
    }

    /// All accounts.
    pub(super) const fn all() -> Node {
        Node(ROOT)
    }

    /// The first breakpoint of a node's accounts.
    pub(super) fn first_of(&self, node: Node) -> Timestamp {
        self.times[node.0]
    }

    /// The account of a node that is first. The nodes that hold its others are handed to `rest`.
    pub(super) fn account(&self, Node(mut node): Node, mut rest: impl FnMut(Node)) -> usize {
        let first = self.times[node];
        while node < self.leaves() {
            let (left, right) = (2 * node, 2 * node + 1);
            let (next, other) = if self.times[left] == first { (left, right) } else { (right, left) };
            rest(Node(other));
            node = next;
        }
        node - self.leaves()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.times.capacity()
    }
}
