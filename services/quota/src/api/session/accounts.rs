//! The services and pools that a session calls by number.

use tonic::Status;
use weir_domain::ids::ServiceId;
use weir_proto::quota::v1 as wire;

use super::super::input::invalid;
use crate::pool::{LimitsSeen, PoolHandle, Pools};

/// Numbers that a session may use: more than a node has services and pools, in 3 MB where the highest number is used.
const ACCOUNTS_MAX: u32 = 65_536;

/// A service in a pool.
pub(super) struct Account {
    pub(super) service: ServiceId,
    /// Among the session's pools.
    pub(super) pool: usize,
    /// Whether what its calls cost counts.
    pub(super) priced: bool,
    /// The limits that the node knows, or was told when it named the account.
    pub(super) limits: Option<Box<LimitsSeen>>,
}

/// A pool that a session uses.
pub(super) struct SessionPool {
    pub(super) handle: PoolHandle,
    /// How often its limits had changed, and its desk was lost, when the session looked last.
    pub(super) changes: u64,
    pub(super) losses: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Accounts {
    /// By number.
    accounts: Vec<Option<Account>>,
    pub(super) pools: Vec<SessionPool>,
}

impl Accounts {
    /// Takes accounts that a node names; those that it named before stay as they are.
    pub(super) fn add(&mut self, named: &[wire::Account], pools: &Pools) -> Result<(), Status> {
        for (index, account) in named.iter().enumerate() {
            self.add_one(account, pools)
                .map_err(|(field, problem)| invalid(&format!("accounts[{index}].{field}"), problem))?;
        }
        Ok(())
    }

    /// The account of a number, if there is one.
    pub(super) fn get(&self, number: u32) -> Option<&Account> {
        self.accounts.get(usize::try_from(number).ok()?)?.as_ref()
    }

    /// All accounts and their numbers.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (u32, &mut Account)> {
        let numbered = (0_u32..).zip(&mut self.accounts);
        numbered.filter_map(|(number, account)| Some((number, account.as_mut()?)))
    }

    fn add_one(&mut self, named: &wire::Account, pools: &Pools) -> Result<(), (&'static str, String)> {
        if named.number >= ACCOUNTS_MAX {
            return Err(("number", format!("is {}; use numbers below {ACCOUNTS_MAX}", named.number)));
        }
        if let Some(known) = self.get(named.number) {
            let same = known.service.as_str() == named.service
                && self.pools[known.pool].handle.pool().as_str() == named.pool;
            let other = || format!("{} is another account already; choose a free number", named.number);
            return if same { Ok(()) } else { Err(("number", other())) };
        }
        let pool = self
            .pool(&named.pool, pools)
            .ok_or_else(|| ("pool", format!("there is no pool {:?}", named.pool)))?;
        let handle = &self.pools[pool].handle;
        let entitled = handle.entitled(&named.service).map_err(|problem| ("service", problem.to_string()))?;
        let limits = handle.limits_of(&entitled.service).map(Box::new);
        let account = Account { service: entitled.service, pool, priced: entitled.priced, limits };
        let place = named.number as usize;
        if self.accounts.len() <= place {
            self.accounts.resize_with(place + 1, || None);
        }
        self.accounts[place] = Some(account);
        Ok(())
    }

    fn pool(&mut self, name: &str, pools: &Pools) -> Option<usize> {
        let known = self.pools.iter().position(|pool| pool.handle.pool().as_str() == name);
        known.or_else(|| {
            let handle = pools.find(name)?;
            let (changes, losses) = (handle.limits(), handle.losses());
            self.pools.push(SessionPool { handle, changes, losses });
            Some(self.pools.len() - 1)
        })
    }
}
