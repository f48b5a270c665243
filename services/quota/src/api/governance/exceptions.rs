//! Exceptions: granted, ended and listed.

use tonic::Status;
use weir_domain::ids::ExceptionId;
use weir_domain::policy::Exception;
use weir_proto::codec::{exception_from_wire, exception_to_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::Order;
use super::size;
use crate::api::input::{invalid, parsed, undecodable};
use crate::auth::{Caller, Owner};
use crate::org_writer::Command;

impl Governance {
    pub(super) async fn grant(
        &self,
        caller: &Caller,
        call: wire::GrantExceptionRequest,
    ) -> Result<wire::GrantExceptionResponse, Status> {
        let order = Order::of(caller, &call)?;
        let exception = call.exception.ok_or_else(|| invalid("exception", "is missing"))?;
        size::check("exception", &exception)?;
        let exception = exception_from_wire(&exception).map_err(|problem| undecodable(&problem))?;
        let done = self.decide(Command::GrantException(exception), order).await?;
        Ok(wire::GrantExceptionResponse { changed: done.changed })
    }

    pub(super) async fn end(
        &self,
        caller: &Caller,
        call: wire::EndExceptionRequest,
    ) -> Result<wire::EndExceptionResponse, Status> {
        let order = Order::of(caller, &call)?;
        let id: ExceptionId = parsed(&call.id, "id")?;
        let done = self.decide(Command::EndException(id), order).await?;
        Ok(wire::EndExceptionResponse { ended: done.changed })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn exceptions(
        &self,
        caller: &Caller,
        _: wire::ListExceptionsRequest,
    ) -> Result<wire::ListExceptionsResponse, Status> {
        let org = self.org.org();
        let seen =
            |exception: &&Exception| caller.may_see(Owner::of_thing(&org, Some(&exception.service))).is_ok();
        let open = org.exceptions(self.clock.now()).into_iter();
        let exceptions = open.filter(seen).map(exception_to_wire).collect();
        Ok(wire::ListExceptionsResponse { exceptions, etag: org.version().to_string() })
    }
}
