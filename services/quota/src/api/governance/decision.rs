//! What every command has in common: who gives it and why, which version they have seen, what they call it, and how it is
//! answered.

use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Status;
use weir_domain::authorship::Authorship;
use weir_domain::org::CommandId;
use weir_domain::time::Timestamp;
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::refused::refused;
use super::size;
use crate::api::input::{invalid, undecided};
use crate::auth::Caller;
use crate::org_writer::{Ask, Command, Done};

/// A command as it comes.
pub(super) trait Asked: Message {
    fn author(&self) -> &str;
    fn reason(&self) -> &str;
    /// The version that whoever asks has seen; empty: whatever it is.
    fn etag(&self) -> &str;
    /// What whoever asks calls it, so that it is known when it comes again; may be empty.
    fn request_id(&self) -> &str;
}

macro_rules! asked {
    ($($message:ident: $reason:expr,)+) => {$(
        impl Asked for wire::$message {
            fn author(&self) -> &str {
                &self.author
            }

            fn reason(&self) -> &str {
                let reason: fn(&Self) -> &str = $reason;
                reason(self)
            }

            fn etag(&self) -> &str {
                &self.etag
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        }
    )+};
}

asked! {
    ApplyPolicyRequest: |asked| &asked.reason,
    RequestBurstRequest: |asked| asked.burst.as_ref().map_or("", |burst| &burst.reason),
    ApproveBurstRequest: |asked| &asked.reason,
    DecideBurstRequest: |asked| &asked.reason,
    ExtendBurstRequest: |asked| &asked.reason,
    ForgiveDebtRequest: |asked| &asked.reason,
    GrantExceptionRequest: |asked| &asked.reason,
    EndExceptionRequest: |asked| &asked.reason,
    CreateCallerKeyRequest: |asked| &asked.reason,
    RevokeCallerKeyRequest: |asked| &asked.reason,
    RotateCallerKeyRequest: |asked| &asked.reason,
    CreateAccessKeyRequest: |asked| &asked.reason,
    RevokeAccessKeyRequest: |asked| &asked.reason,
}

/// Who gives a command, why, which version they have seen, and what they call it.
pub(super) struct Order {
    pub(super) by: Authorship,
    pub(super) seen: Option<u64>,
    pub(super) id: Option<CommandId>,
}

impl Order {
    pub(super) fn of(caller: &Caller, asked: &impl Asked) -> Result<Self, Status> {
        let by = authorship(caller, asked.author(), asked.reason())?;
        let seen = version(asked.etag())?;
        size::check_text("request_id", asked.request_id(), size::NAME_BYTES_MAX)?;
        let id = (!asked.request_id().is_empty()).then(|| command_id(&by.author, asked));
        Ok(Self { by, seen, id })
    }
}

/// A command is another one if anything of it is, or somebody else gives it.
fn command_id(author: &str, asked: &impl Asked) -> CommandId {
    let mut digest = Sha256::new();
    digest.update(author.as_bytes());
    digest.update([0]);
    digest.update(asked.encode_to_vec());
    CommandId { name: asked.request_id().to_owned(), digest: digest.finalize().into() }
}

/// Who decides and why. The time is the writer's.
pub(super) fn authorship(caller: &Caller, author: &str, reason: &str) -> Result<Authorship, Status> {
    let author = caller.author(author).map_err(|refused| Status::permission_denied(refused.to_string()))?;
    if author.is_empty() {
        return Err(invalid("author", "is missing; say who decides"));
    }
    if reason.trim().is_empty() {
        return Err(invalid("reason", "is missing; say why"));
    }
    size::check_text("author", &author, size::NAME_BYTES_MAX)?;
    size::check_text("reason", reason, size::REASON_BYTES_MAX)?;
    Ok(Authorship { author, reason: reason.trim().to_owned(), at: Timestamp::EPOCH, commit: None })
}

/// The version that whoever asks has seen; none if they did not say.
fn version(etag: &str) -> Result<Option<u64>, Status> {
    if etag.is_empty() {
        return Ok(None);
    }
    let version = etag
        .parse()
        .map_err(|_| invalid("etag", "is not one that this service gave; leave it out or look again"))?;
    Ok(Some(version))
}

impl Governance {
    /// Has a command decided.
    pub(super) async fn decide(&self, command: Command, order: Order) -> Result<Done, Status> {
        // What a burst's pool must be like stands in its command.
        let expected = order.seen.filter(|_| !command.is_about_one_pool());
        self.ask(Ask { command, by: order.by, expected, id: order.id, dry_run: false }).await
    }

    /// Has a command decided, or says what it would change.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Done, Status> {
        let decided = self.org.ask(ask).await.map_err(|reason| undecided(&reason))?;
        decided.map_err(|reason| refused(&reason))
    }
}
