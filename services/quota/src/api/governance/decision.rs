//! What every decision has in common: who takes it and why, which version they have seen, and how it is answered.

use tonic::Status;
use weir_domain::authorship::Authorship;
use weir_domain::time::Timestamp;

use super::Governance;
use super::refused::refused;
use super::size;
use crate::api::input::{invalid, undecided};
use crate::auth::Caller;
use crate::org_writer::{Ask, Command, Done};

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
pub(super) fn expected(etag: &str) -> Result<Option<u64>, Status> {
    if etag.is_empty() {
        return Ok(None);
    }
    let version = etag
        .parse()
        .map_err(|_| invalid("etag", "is not one that this service gave; leave it out or look again"))?;
    Ok(Some(version))
}

impl Governance {
    /// Has a command decided, whatever version was seen.
    pub(super) async fn decide(&self, command: Command, by: Authorship) -> Result<Done, Status> {
        self.ask(Ask { command, by, expected: None, dry_run: false }).await
    }

    /// Has a command decided.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Done, Status> {
        let decided = self.org.ask(ask).await.map_err(|reason| undecided(&reason))?;
        decided.map_err(|reason| refused(&reason))
    }
}
