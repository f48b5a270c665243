//! How large what is decided may be: every decision becomes a record, and the journal takes records up to a limit. What it
//! does not take costs a rebuild, so that it must not get that far.

use prost::Message;
use tonic::Status;
use weir_domain::policy::PolicyProblem;
use weir_proto::governance::v1 as wire;

use crate::api::input::{invalid, invalid_policy};

/// The most bytes of one thing: a pool with its models, a service with its allocations, a burst, a key. Far more than
/// any has, and far below the 2 MB that the journal takes for a record.
const THING_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of an author's name and of a commit.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// The most bytes of a reason: a page.
pub(super) const REASON_BYTES_MAX: usize = 4 * 1024;

/// Whether a thing is small enough.
pub(super) fn check(field: &str, thing: &impl Message) -> Result<(), Status> {
    let bytes = thing.encoded_len();
    if bytes > THING_BYTES_MAX { Err(invalid(field, too_large(bytes))) } else { Ok(()) }
}

/// Whether a text is short enough.
pub(super) fn check_text(field: &str, text: &str, bytes_max: usize) -> Result<(), Status> {
    let bytes = text.len();
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(invalid(field, format!("has {bytes} bytes, and {bytes_max} at most are kept; shorten it")))
}

/// Whether every thing of a policy is small enough. All that are not are named, by their place in the message: their
/// names may be what is too large.
pub(super) fn check_policy(policy: &wire::Policy) -> Result<(), Status> {
    let wire::Policy { pools, teams, services, bursts, prices, exceptions } = policy;
    let found = [
        large("pools", pools),
        large("teams", teams),
        large("services", services),
        large("bursts", bursts),
        large("prices", prices),
        large("exceptions", exceptions),
    ];
    let found = found.concat();
    if found.is_empty() { Ok(()) } else { Err(invalid_policy(&found)) }
}

fn large(list: &str, things: &[impl Message]) -> Vec<PolicyProblem> {
    let sizes = things.iter().map(Message::encoded_len).enumerate();
    let problem = |(index, bytes)| PolicyProblem {
        place: format!("policy.{list}[{index}]"),
        message: too_large(bytes),
    };
    sizes.filter(|(_, bytes)| *bytes > THING_BYTES_MAX).map(problem).collect()
}

fn too_large(bytes: usize) -> String {
    format!("has {bytes} bytes, and {THING_BYTES_MAX} at most are kept; shorten its texts or its lists")
}
