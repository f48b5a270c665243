//! Names as small numbers, so that millions of attempts are held in little room.

use std::collections::HashMap;
use std::hash::Hash;

/// Every name once, by number.
#[derive(Debug)]
pub(super) struct Interned<T> {
    numbers: HashMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), names: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// The number of a name; a new one gets the next.
    pub(super) fn number(&mut self, name: &T) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("memory ends before 2^32 names do");
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        number
    }

    /// The name of a number that was given.
    pub(super) fn name(&self, number: u32) -> &T {
        &self.names
            [usize::try_from(number).expect("no machine that this is built for has fewer than 32 bits")]
    }
}
