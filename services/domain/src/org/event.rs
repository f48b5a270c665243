//! What happened in an organisation outside of any pool, in the past tense.

use crate::access::AccessKey;
use crate::authorship::Authorship;
use crate::directory::CallerKey;
use crate::ids::{AccessKeyId, CallerKeyId, ExceptionId, ModelName, ServiceId, TeamId};
use crate::org::{CommandId, IntentPart};
use crate::policy::{Exception, Service, Team};
use crate::price::Price;
use crate::time::Timestamp;

/// A decision about the organisation and who took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Who decided, when and why.
    pub by: Authorship,
    /// What was decided.
    pub what: Decided,
}

impl Event {
    /// Whether the organisation has another version after it: not where it only says by which command it came.
    pub const fn is_decision(&self) -> bool {
        !matches!(self.what, Decided::CommandMade(_))
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// The team is this from now on.
    TeamDefined(Team),
    /// The team is gone. Access keys of its leads open nothing until there is a team of that name again.
    TeamRemoved(TeamId),
    /// The service is this from now on. Its allocations are the business of their pools and left out here.
    ServiceDefined(Service),
    /// The service is gone. Its caller keys call nothing until there is a service of that name again.
    ServiceRemoved(ServiceId),
    /// The model costs this from the price's own instant on, instead of an earlier price of the same instant.
    PriceSet(Price),
    /// The price that began at this instant never was.
    PriceRemoved {
        /// The model that was priced.
        model: ModelName,
        /// When the price began.
        valid_from: Timestamp,
    },
    /// The exception is this from now on, whatever was known of one of the same name, and ends by itself.
    ExceptionGranted(Exception),
    /// The exception ends now.
    ExceptionEnded(ExceptionId),
    /// The key may call from now on.
    CallerKeyCreated(CallerKey),
    /// The key may call no more, and its name is used up.
    CallerKeyRevoked(CallerKeyId),
    /// The key may call no more from an instant on, for instance because another takes its place.
    CallerKeyExpirySet {
        /// Which.
        key: CallerKeyId,
        /// From when on.
        expires: Timestamp,
    },
    /// The key opens the quota service from now on.
    AccessKeyCreated(AccessKey),
    /// The key opens nothing any more, and its name is used up.
    AccessKeyRevoked(AccessKeyId),
    /// A part of a change of several facts, none of which is made before the last part is there.
    ChangeIntended(IntentPart),
    /// The change that was intended last is made; or, if a pool refused its part, only what was made before that.
    ChangeEnded {
        /// Why not all of it.
        refused: Option<String>,
    },
    /// All that this command asked for is made.
    CommandMade(CommandId),
}
