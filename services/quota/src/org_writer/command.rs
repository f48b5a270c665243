//! What the organisation is asked to do, and what that would change.

use std::slice;

use weir_domain::access::AccessKey;
use weir_domain::authorship::Authorship;
use weir_domain::directory::CallerKey;
use weir_domain::ids::{AccessKeyId, CallerKeyId, ExceptionId, PoolId, ServiceId};
use weir_domain::ledger::{Change, ChangeRefused, PoolTerms, decide_change};
use weir_domain::org::{
    AccessKeyRefused, BurstRefused, CommandIdTaken, Event, ExceptionRefused, KeyRefused, KeyRotation, Org,
    PolicyChange, decide_policy,
};
use weir_domain::policy::{Exception, Policy, PolicyProblem, Rules, problems_of_burst};

/// What the organisation is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Apply(Policy),
    /// What becomes of a burst of a pool.
    Burst(PoolCommand),
    ForgiveDebt(Forgiveness),
    GrantException(Exception),
    EndException(ExceptionId),
    CreateKey(CallerKey),
    RevokeKey(CallerKeyId),
    RotateKey(KeyRotation),
    CreateAccessKey(AccessKey),
    RevokeAccessKey(AccessKeyId),
}

/// What one pool is asked to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolCommand {
    pub(crate) pool: PoolId,
    pub(crate) change: Change,
    /// The version of the pool that whoever asks has seen.
    pub(crate) seen: Option<u64>,
}

/// What a service owes in a pool is forgiven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forgiveness {
    pub(crate) pool: PoolId,
    pub(crate) service: ServiceId,
    /// The version of the pool that whoever asks has seen.
    pub(crate) seen: Option<u64>,
}

/// Why the organisation says no. An answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unsound(Vec<PolicyProblem>),
    #[error("the organisation is at version {found}, not {expected}; look again and decide anew")]
    Version { expected: u64, found: u64 },
    #[error("pool {pool}: {refused}{}", Earlier(.done))]
    Pool {
        pool: PoolId,
        refused: ChangeRefused,
        /// Pools that were changed before this one refused.
        done: Vec<PoolId>,
    },
    #[error(transparent)]
    Id(#[from] CommandIdTaken),
    #[error(transparent)]
    Burst(#[from] BurstRefused),
    #[error(transparent)]
    Exception(#[from] ExceptionRefused),
    #[error(transparent)]
    Key(#[from] KeyRefused),
    #[error(transparent)]
    AccessKey(#[from] AccessKeyRefused),
}

struct Earlier<'a>(&'a [PoolId]);

impl std::fmt::Display for Earlier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let names = self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "; changed before it, and not taken back: {names}")
    }
}

impl Command {
    /// Its name in logs.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply policy",
            Self::Burst(_) => "change burst",
            Self::ForgiveDebt(_) => "forgive debt",
            Self::GrantException(_) => "grant exception",
            Self::EndException(_) => "end exception",
            Self::CreateKey(_) => "create caller key",
            Self::RevokeKey(_) => "revoke caller key",
            Self::RotateKey(_) => "rotate caller key",
            Self::CreateAccessKey(_) => "create access key",
            Self::RevokeAccessKey(_) => "revoke access key",
        }
    }

    /// Whether the version that counts is that of a pool: where it is about a burst that there is, or a debt.
    pub(crate) const fn is_about_one_pool(&self) -> bool {
        match self {
            Self::Burst(asked) => !matches!(asked.change, Change::RequestBurst(_)),
            Self::ForgiveDebt(_) => true,
            _ => false,
        }
    }

    /// Finds what it changes, and changes nothing.
    pub(super) fn decide(&self, org: &Org, rules: Rules, by: &Authorship) -> Result<PolicyChange, Refused> {
        match self {
            Self::Apply(policy) => decide_policy(org, policy, &rules, by).map_err(Refused::Unsound),
            Self::Burst(asked) => decide_burst(org, asked, rules, by),
            Self::ForgiveDebt(asked) => decide_debt(org, asked, by),
            Self::GrantException(exception) => Ok(org.grant_exception(exception, &rules, by)?),
            Self::EndException(id) => Ok(org.end_exception(id, &rules, by)?),
            Self::CreateKey(key) => Ok(only(org.create_key(key, by.clone())?)),
            Self::RevokeKey(id) => Ok(only(org.revoke_key(id, by.clone())?)),
            Self::RotateKey(rotation) => Ok(only(org.rotate_key(rotation, by)?)),
            Self::CreateAccessKey(key) => Ok(only(org.create_access_key(key, by.clone())?)),
            Self::RevokeAccessKey(id) => Ok(only(org.revoke_access_key(id, by.clone())?)),
        }
    }
}

fn only(events: impl IntoIterator<Item = Event>) -> PolicyChange {
    PolicyChange { org: events.into_iter().collect(), ..PolicyChange::default() }
}

/// The pool knows whether anything is owed. It is of the pool as it is known here, so that it is made once, however often what
/// is left of an intent is made.
fn decide_debt(org: &Org, asked: &Forgiveness, by: &Authorship) -> Result<PolicyChange, Refused> {
    let Forgiveness { pool, service, seen } = asked.clone();
    let terms = org.terms(&pool);
    let change = Change::ForgiveDebt { service, version: terms.map_or(0, PoolTerms::version) };
    let asked = PoolCommand { pool, change, seen };
    let terms = terms.ok_or_else(|| asked.refused(ChangeRefused::NoPool))?;
    let decided = decide_change(terms, by, slice::from_ref(&asked.change), asked.seen);
    decided.map_err(|refused| asked.refused(refused))?;
    Ok(asked.to_policy_change())
}

/// The pool weighs it again, at its own time. Here is checked what a pool does not know, too: whether it is one, what bursts
/// others have, whether anybody answers for the service, and who decides on whose request.
fn decide_burst(
    org: &Org,
    asked: &PoolCommand,
    rules: Rules,
    by: &Authorship,
) -> Result<PolicyChange, Refused> {
    let PoolCommand { pool, change, seen } = asked;
    let terms = org.terms(pool).ok_or_else(|| asked.refused(ChangeRefused::NoPool))?;
    if let Change::RequestBurst(burst) = change {
        let problems = problems_of_burst(burst, by.at);
        if !problems.is_empty() {
            return Err(Refused::Unsound(problems));
        }
        if org.burst(&burst.id).is_some_and(|(other, _)| other != pool) {
            return Err(asked.refused(ChangeRefused::BurstNameTaken { burst: burst.id.clone() }));
        }
    }
    let decided = decide_change(terms, by, slice::from_ref(change), *seen);
    if decided.map_err(|refused| asked.refused(refused))?.is_empty() {
        return Ok(PolicyChange::default());
    }
    org.check_burst(terms, change, rules, by)?;
    Ok(asked.to_policy_change())
}

impl PoolCommand {
    fn refused(&self, refused: ChangeRefused) -> Refused {
        Refused::Pool { pool: self.pool.clone(), refused, done: Vec::new() }
    }

    fn to_policy_change(&self) -> PolicyChange {
        let pools = [(self.pool.clone(), vec![self.change.clone()])].into();
        PolicyChange { pools, ..PolicyChange::default() }
    }
}
