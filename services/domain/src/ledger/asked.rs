//! What is asked of a pool as what would come of it, and back: a change that is intended is recorded in the words of its
//! outcome.

use crate::amount::Tokens;
use crate::ledger::{Change, TermsChanged};

impl From<Change> for TermsChanged {
    fn from(change: Change) -> Self {
        match change {
            Change::DefinePool(pool) => Self::PoolDefined(pool),
            Change::RemovePool => Self::PoolRemoved,
            Change::SetAllocation { service, terms } => Self::AllocationSet { service, terms },
            Change::RemoveAllocation { service } => Self::AllocationRemoved { service },
            Change::GrantBurst(granted) => Self::BurstGranted(granted),
            Change::RequestBurst(burst) => Self::BurstRequested(burst),
            Change::ApproveBurst { burst, approval } => Self::BurstApproved { burst, approval },
            Change::DenyBurst { burst } => Self::BurstDenied { burst },
            Change::RevokeBurst { burst } => Self::BurstRevoked { burst },
            Change::ForgiveDebt { service, version } => {
                Self::DebtForgiven { service, version, tokens: Tokens::ZERO }
            }
            Change::ExtendBurst { burst, end } => Self::BurstExtended { burst, end },
        }
    }
}

impl From<TermsChanged> for Change {
    fn from(changed: TermsChanged) -> Self {
        match changed {
            TermsChanged::PoolDefined(pool) => Self::DefinePool(pool),
            TermsChanged::PoolRemoved => Self::RemovePool,
            TermsChanged::AllocationSet { service, terms } => Self::SetAllocation { service, terms },
            TermsChanged::AllocationRemoved { service } => Self::RemoveAllocation { service },
            TermsChanged::BurstGranted(granted) => Self::GrantBurst(granted),
            TermsChanged::BurstRequested(burst) => Self::RequestBurst(burst),
            TermsChanged::BurstApproved { burst, approval } => Self::ApproveBurst { burst, approval },
            TermsChanged::BurstDenied { burst } => Self::DenyBurst { burst },
            TermsChanged::BurstRevoked { burst } => Self::RevokeBurst { burst },
            TermsChanged::DebtForgiven { service, version, .. } => Self::ForgiveDebt { service, version },
            TermsChanged::BurstExtended { burst, end } => Self::ExtendBurst { burst, end },
        }
    }
}
