//! What was decided, told to those who may see it.

use tonic::Status;
use weir_domain::access::Action;
use weir_domain::ids::{PoolId, ServiceId, TeamId};
use weir_domain::org::{Entry, Org};
use weir_domain::time::Timestamp;
use weir_proto::codec::{decision_to_wire, timestamp_from_wire, timestamp_to_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::named::Named;
use crate::api::auth::permission_denied;
use crate::api::input::{invalid, parsed, undecided, undecodable};
use crate::auth::{Caller, Owner};
use crate::history::{Cursor, Page};
use crate::no_decision::NoDecision;

/// Decisions in a page: a screen or two where nobody says, and 1 MB or so at most.
const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 1_000;

/// Which decisions are asked for.
struct Wanted {
    team: Option<TeamId>,
    service: Option<ServiceId>,
    pool: Option<PoolId>,
    author: String,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Governance {
    pub(super) async fn decisions(
        &self,
        caller: &Caller,
        call: wire::ListDecisionsRequest,
    ) -> Result<wire::ListDecisionsResponse, Status> {
        let (wanted, count, before) = (Wanted::read(&call)?, page_size(&call)?, page_token(&call)?);
        let org = self.org.org();
        wanted.check_seen(caller, &org)?;
        let shown =
            |entry: &Entry, team: Option<&TeamId>| wanted.fits(entry, team) && may_see(caller, entry, team);
        let page = self.page(before, count, shown).await?;
        if page.decisions.is_empty() {
            self.check_known(caller, wanted.named(), &org).await?;
        }
        let sees_access = sees_access(caller);
        Ok(wire::ListDecisionsResponse {
            decisions: page.decisions.iter().map(|entry| decision_to_wire(entry, sees_access)).collect(),
            next_page_token: page.next.map(|cursor| cursor.to_string()).unwrap_or_default(),
            forgotten_until: page.forgotten.map(timestamp_to_wire),
        })
    }

    async fn page(
        &self,
        before: Option<Cursor>,
        count: usize,
        shown: impl Fn(&Entry, Option<&TeamId>) -> bool,
    ) -> Result<Page, Status> {
        self.history.page(before, count, shown).await.map_err(|problem| {
            tracing::warn!(%problem, "decisions cannot be read from the journal");
            undecided(&NoDecision::NotRead { reason: problem.to_string() })
        })
    }

    /// Whether all that is named is there, or was: anything that whoever asks sees was decided about it.
    pub(super) async fn check_known(
        &self,
        caller: &Caller,
        named: Vec<Named<'_>>,
        org: &Org,
    ) -> Result<(), Status> {
        for named in named.into_iter().filter(|named| !named.is_there(org)) {
            let about = |entry: &Entry, team: Option<&TeamId>| {
                named.is_about(entry, team) && may_see(caller, entry, team)
            };
            let past = self.page(None, 1, about).await?;
            if past.decisions.is_empty() {
                return Err(named.not_found(caller, org, past.forgotten.is_some()));
            }
        }
        Ok(())
    }
}

/// What is about access keys is the business of those who manage them.
fn sees_access(caller: &Caller) -> bool {
    caller.principal().may(Action::ManageAccess).is_ok()
}

/// What is about no team, such as a pool, is seen by those who see everything.
fn may_see(caller: &Caller, entry: &Entry, team: Option<&TeamId>) -> bool {
    if entry.about_access {
        return sees_access(caller);
    }
    caller.may_see(team.map_or(Owner::Nobody, Owner::Team)).is_ok()
}

fn page_size(call: &wire::ListDecisionsRequest) -> Result<usize, Status> {
    match usize::try_from(call.page_size).unwrap_or(usize::MAX) {
        0 => Ok(PAGE_SIZE),
        size if size <= PAGE_SIZE_MAX => Ok(size),
        size => Err(invalid("page_size", format!("is {size}; {PAGE_SIZE_MAX} is the most"))),
    }
}

fn page_token(call: &wire::ListDecisionsRequest) -> Result<Option<Cursor>, Status> {
    let token = call.page_token.as_str();
    if token.is_empty() { Ok(None) } else { parsed(token, "page_token").map(Some) }
}

impl Wanted {
    fn read(call: &wire::ListDecisionsRequest) -> Result<Self, Status> {
        let at = |wire: &Option<_>, field| {
            let at = wire.as_ref().map(|wire| timestamp_from_wire(Some(wire), field)).transpose();
            at.map_err(|problem| undecodable(&problem))
        };
        let wanted = Self {
            team: if call.team.is_empty() { None } else { Some(parsed(&call.team, "team")?) },
            service: if call.service.is_empty() { None } else { Some(parsed(&call.service, "service")?) },
            pool: if call.pool.is_empty() { None } else { Some(parsed(&call.pool, "pool")?) },
            author: call.author.clone(),
            from: at(&call.from, "from")?,
            to: at(&call.to, "to")?,
        };
        if wanted.from.zip(wanted.to).is_some_and(|(from, to)| to <= from) {
            return Err(invalid("to", "is not after from; end later"));
        }
        Ok(wanted)
    }

    /// Whether whoever asks sees what they name as it is now. Of a service that was another team's they see what was theirs
    /// by asking for all.
    fn check_seen(&self, caller: &Caller, org: &Org) -> Result<(), Status> {
        let team = self.team.as_ref().map(Owner::Team);
        let service = self.service.as_ref().map(|service| Owner::of_service(org, service));
        let mut named = team.into_iter().chain(service);
        named.try_for_each(|owner| caller.may_see(owner)).map_err(|denied| permission_denied(&denied))
    }

    /// What must be there, or have been.
    fn named(&self) -> Vec<Named<'_>> {
        let team = self.team.as_ref().map(Named::Team);
        let service = self.service.as_ref().map(Named::Service);
        let pool = self.pool.as_ref().map(Named::Pool);
        team.into_iter().chain(service).chain(pool).collect()
    }

    fn fits(&self, entry: &Entry, team: Option<&TeamId>) -> bool {
        entry.by.as_ref().is_some_and(|by| self.author.is_empty() || by.is_by(&self.author))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
            && self.service.as_ref().is_none_or(|wanted| entry.service.as_ref() == Some(wanted))
            && self.pool.as_ref().is_none_or(|wanted| entry.pool.as_ref() == Some(wanted))
            && self.team.as_ref().is_none_or(|wanted| team == Some(wanted))
    }
}
