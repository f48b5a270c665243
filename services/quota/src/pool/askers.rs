//! Who asked for holds: names by the small numbers that the desk keeps with each.

use std::collections::HashMap;
use std::sync::Arc;

use weir_domain::desk::Asker;

/// Names that are kept for a pool: ten times the nodes that anybody runs. Those that come later are nobody.
const ASKERS_MAX: usize = 4_096;

/// Names and their numbers.
#[derive(Debug, Default)]
pub(super) struct Askers {
    /// The first has number 1.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Asker>,
}

impl Askers {
    /// The number of a name.
    pub(super) fn number(&mut self, name: &str) -> Asker {
        if name.is_empty() {
            return Asker::NOBODY;
        }
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let known = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < ASKERS_MAX);
        let Some(known) = known else { return Asker::NOBODY };
        let (name, number): (Arc<str>, _) = (name.into(), Asker::new(known + 1));
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// The name of a number; empty for nobody.
    pub(super) fn name(&self, asker: Asker) -> &str {
        let place = usize::try_from(asker.get()).ok().and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.names.get(place)).map_or("", |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_and_too_many_names_have_none() {
        let mut askers = Askers::default();
        let first = askers.number("gateway-1");
        assert_eq!((askers.number("gateway-2"), askers.number("gateway-1")), (Asker::new(2), first));
        assert_eq!([askers.name(first), askers.name(Asker::NOBODY)], ["gateway-1", ""]);
        let last = (0..ASKERS_MAX).map(|number| askers.number(&format!("node-{number}"))).last().unwrap();
        assert_eq!((last, askers.names.len()), (Asker::NOBODY, ASKERS_MAX));
    }
}
