//! Services that a pool does not know and that are charged all the same: a settle is never refused.
//!
//! Whoever lost its allocation keeps its account. A name that a pool has never heard of comes from a gateway that went
//! wrong: it is charged under its name as long as there are few such names, and then with all others.

use std::sync::LazyLock;

use crate::ids::ServiceId;
use crate::ledger::Ledger;

/// Accounts of services that have no allocation, in a pool: more than lose one while their calls are under way. A gateway
/// that makes up names opens no more.
pub const STRANGERS_MAX: usize = 1_024;
/// Who is charged for the names beyond: one account, and the pool. No service may have the name.
pub const STRANGERS: &str = "without-allocation";

impl Ledger {
    /// Who is charged for a service where nobody knows the hold.
    pub(super) fn charged_for<'a>(&self, service: &'a ServiceId) -> &'a ServiceId {
        static REST: LazyLock<ServiceId> =
            LazyLock::new(|| ServiceId::try_new(STRANGERS).expect("it is written as a name is"));
        if self.place(service).is_some() {
            return service;
        }
        let strangers = self.accounts.iter().filter(|account| account.terms.is_none()).count();
        if strangers < STRANGERS_MAX { service } else { &REST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::{Money, Tokens};
    use crate::ids::{HoldId, SliceId};
    use crate::ledger::{Event, Quantity, Settle};
    use crate::time::Timestamp;

    #[test]
    fn names_that_a_gateway_makes_up_are_charged_and_open_no_more_accounts_than_may_be() {
        let mut ledger = Ledger::default();
        let count = i64::try_from(STRANGERS_MAX).unwrap() + 500;
        let name = |number: i64| ServiceId::try_new(&format!("made-up-{number}")).unwrap();
        for number in 0..count {
            let slice = SliceId::self_granted(7, Timestamp::from_secs(number));
            let hold = HoldId::try_pack(slice, 0, Tokens::new(10)).unwrap();
            let used = Quantity { tokens: Tokens::new(10), money: Money::ZERO };
            let settle = Settle { hold, service: name(number), used };
            let movement = ledger.settle(&settle, None, true).expect("a settle is never refused");
            ledger.evolve(&Event::Moved(movement));
            assert_eq!(ledger.settle(&settle, None, true), None, "it is charged once");
        }
        assert_eq!(ledger.accounts().len(), STRANGERS_MAX + 1);
        let settled: Tokens = ledger.accounts().map(|account| account.totals().settled).sum();
        assert_eq!(settled, Tokens::new(10 * count.unsigned_abs()));
        let rest = ledger.account(&ServiceId::try_new(STRANGERS).unwrap()).unwrap();
        assert_eq!(rest.totals().settled, Tokens::new(5_000));
        assert_eq!(*ledger.charged_for(&name(3)), name(3), "whoever has an account keeps it");
    }
}
