//! Names that are used up: of keys that were revoked, of exceptions that were ended. Whoever reads what was decided shall
//! not find one name for two things, so nobody may choose them again, as long as they are remembered.

use std::collections::VecDeque;

/// Names that are remembered of a kind: eight years of a thousand services that change a key each. Then the oldest may be
/// chosen again. What was revoked opens nothing, remembered or not.
pub const NAMES_USED_UP_MAX: usize = 8_192;

/// Names, each with what goes with it, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsedUp<N, T = ()>(VecDeque<(N, T)>);

impl<N, T> Default for UsedUp<N, T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<N: PartialEq, T> UsedUp<N, T> {
    /// The names that an image has, the oldest first; of more than may be, the newest.
    pub(super) fn new(names: impl IntoIterator<Item = (N, T)>) -> Self {
        let mut names: VecDeque<_> = names.into_iter().collect();
        names.drain(..names.len().saturating_sub(NAMES_USED_UP_MAX));
        Self(names)
    }

    /// Remembers a name. Gives the one that is forgotten for it, if one is.
    pub(super) fn remember(&mut self, name: N, what: T) -> Option<(N, T)> {
        if self.contains(&name) {
            return None;
        }
        self.0.push_back((name, what));
        if self.0.len() > NAMES_USED_UP_MAX { self.0.pop_front() } else { None }
    }

    /// A name may be chosen again.
    pub(super) fn release(&mut self, name: &N) {
        self.0.retain(|(used, _)| used != name);
    }

    pub(super) fn contains(&self, name: &N) -> bool {
        self.0.iter().any(|(used, _)| used == name)
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(N, T)> {
        self.0.iter()
    }
}
