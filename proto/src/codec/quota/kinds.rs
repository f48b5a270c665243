//! `ce_type` of every quota fact, by its version.

/// Tokens of a pool moved.
pub const LEDGER_MOVED_V1: &str = "weir.quota.ledger_moved.v1";
/// A writer went on after an append whose outcome was unknown.
pub const WRITER_RESUMED_V1: &str = "weir.quota.writer_resumed.v1";
/// A pool was defined.
pub const POOL_DEFINED_V1: &str = "weir.quota.pool_defined.v1";
/// A pool was removed.
pub const POOL_REMOVED_V1: &str = "weir.quota.pool_removed.v1";
/// An allocation was set.
pub const ALLOCATION_SET_V1: &str = "weir.quota.allocation_set.v1";
/// An allocation was removed.
pub const ALLOCATION_REMOVED_V1: &str = "weir.quota.allocation_removed.v1";
/// A burst was granted by a policy.
pub const BURST_GRANTED_V1: &str = "weir.quota.burst_granted.v1";
/// A burst was asked for.
pub const BURST_REQUESTED_V1: &str = "weir.quota.burst_requested.v1";
/// A burst was approved.
pub const BURST_APPROVED_V1: &str = "weir.quota.burst_approved.v1";
/// A burst was denied.
pub const BURST_DENIED_V1: &str = "weir.quota.burst_denied.v1";
/// A burst was revoked.
pub const BURST_REVOKED_V1: &str = "weir.quota.burst_revoked.v1";
/// A burst ends later.
pub const BURST_EXTENDED_V1: &str = "weir.quota.burst_extended.v1";
/// A debt was forgiven.
pub const DEBT_FORGIVEN_V1: &str = "weir.quota.debt_forgiven.v1";
/// A team was defined.
pub const TEAM_DEFINED_V1: &str = "weir.quota.team_defined.v1";
/// A team was removed.
pub const TEAM_REMOVED_V1: &str = "weir.quota.team_removed.v1";
/// A service was defined.
pub const SERVICE_DEFINED_V1: &str = "weir.quota.service_defined.v1";
/// A service was removed.
pub const SERVICE_REMOVED_V1: &str = "weir.quota.service_removed.v1";
/// A price was set.
pub const PRICE_SET_V1: &str = "weir.quota.price_set.v1";
/// A price was removed.
pub const PRICE_REMOVED_V1: &str = "weir.quota.price_removed.v1";
/// A command was made.
pub const COMMAND_MADE_V1: &str = "weir.quota.command_made.v1";
/// A caller key was created.
pub const CALLER_KEY_CREATED_V1: &str = "weir.quota.caller_key_created.v1";
/// A caller key was revoked.
pub const CALLER_KEY_REVOKED_V1: &str = "weir.quota.caller_key_revoked.v1";
/// A caller key expires at another time.
pub const CALLER_KEY_EXPIRY_SET_V1: &str = "weir.quota.caller_key_expiry_set.v1";
/// An access key was created.
pub const ACCESS_KEY_CREATED_V1: &str = "weir.quota.access_key_created.v1";
/// An access key was revoked.
pub const ACCESS_KEY_REVOKED_V1: &str = "weir.quota.access_key_revoked.v1";
/// A part of a change of several facts is intended.
pub const CHANGE_INTENDED_V1: &str = "weir.quota.change_intended.v1";
/// The change that was intended is made.
pub const CHANGE_ENDED_V1: &str = "weir.quota.change_ended.v1";
/// An exception was granted or changed.
pub const EXCEPTION_GRANTED_V1: &str = "weir.quota.exception_granted.v1";
/// An exception was ended before its time.
pub const EXCEPTION_ENDED_V1: &str = "weir.quota.exception_ended.v1";
