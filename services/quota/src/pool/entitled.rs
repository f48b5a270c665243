//! The services that are entitled to something in a pool, by name: so that a call neither checks nor copies a name that is
//! known, and knows without the desk whether it must be priced.

use std::collections::HashMap;

use weir_domain::budget::{Budget, BudgetLimit};
use weir_domain::ids::{InvalidName, ServiceId};
use weir_domain::ledger::PoolTerms;

/// A service of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entitled {
    pub(crate) service: ServiceId,
    /// Whether what its calls cost counts: it has a budget in money.
    pub(crate) priced: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Services(HashMap<Box<str>, Entitled>);

impl Services {
    /// Those of a pool.
    pub(super) fn of(terms: &PoolTerms) -> Self {
        let in_money = |budget: &Budget| matches!(budget.limit, BudgetLimit::Money(..));
        let services = terms.allocations().iter().map(|(service, terms)| {
            let priced = terms.budgets.iter().any(in_money);
            (service.as_str().into(), Entitled { service: service.clone(), priced })
        });
        Self(services.collect())
    }

    /// The service of a name, whether or not it is entitled to anything.
    pub(super) fn find(&self, name: &str) -> Result<Entitled, InvalidName> {
        match self.0.get(name) {
            Some(entitled) => Ok(entitled.clone()),
            None => ServiceId::try_new(name).map(|service| Entitled { service, priced: false }),
        }
    }
}
