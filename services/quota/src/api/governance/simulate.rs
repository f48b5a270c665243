//! A policy tried on the past: read from the call, begun, and told as it comes.

use std::time::Duration;

use futures_util::{Stream, stream};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use weir_domain::authorship::Authorship;
use weir_domain::time::Window;
use weir_proto::codec::{policy_from_wire, simulation_to_wire, timestamp_from_wire, timestamp_to_wire};
use weir_proto::governance::v1 as wire;
use wire::simulate_response::Step;

use super::{Governance, size};
use crate::api::input::{RETRY, invalid, invalid_policy, undecodable};
use crate::auth::Caller;
use crate::simulate::{Failed, Told, Wanted};

/// The longest span: a year, as long as the longest period of a budget.
const SPAN_MAX: Duration = Duration::from_hours(366 * 24);

impl Governance {
    /// Begins a simulation. What comes of it is told until it is over, or whoever asked has left.
    pub(super) fn simulations(
        &self,
        caller: &Caller,
        call: &wire::SimulateRequest,
    ) -> Result<impl Stream<Item = Result<wire::SimulateResponse, Status>> + Send + use<>, Status> {
        let policy = call.policy.as_ref().ok_or_else(|| invalid("policy", "is missing"))?;
        size::check_policy(policy)?;
        let policy = policy_from_wire(policy).map_err(|problem| undecodable(&problem))?;
        let by = Authorship {
            author: caller.principal().name.clone(),
            reason: "weir simulate".to_owned(),
            at: self.clock.now(),
            commit: None,
        };
        let wanted = Wanted { org: self.org.org(), policy, span: span(call)?, by };
        let telling =
            self.simulator.begin(wanted, self.shutdown.clone()).map_err(|reason| failed(&reason))?;
        Ok(stream::unfold(telling, |mut telling| async move {
            let told = telling.next().await?;
            Some((told.map(told_to_wire).map_err(|reason| failed(&reason)), telling))
        }))
    }
}

fn span(call: &wire::SimulateRequest) -> Result<Window, Status> {
    let at = |wire, field| timestamp_from_wire(wire, field).map_err(|problem| undecodable(&problem));
    let (from, to) = (at(call.from.as_ref(), "from")?, at(call.to.as_ref(), "to")?);
    let span = Window::try_new(from, to).ok_or_else(|| invalid("to", "is not after from; end later"))?;
    if to.since(from) > SPAN_MAX {
        let days = SPAN_MAX.as_secs() / 86_400;
        return Err(invalid("from", format!("is more than {days} days before to; choose a shorter span")));
    }
    Ok(span)
}

fn told_to_wire(told: Told) -> wire::SimulateResponse {
    let progress = |stage: wire::SimulationStage, done, total| wire::SimulationProgress {
        stage: stage.into(),
        done,
        total,
        at: None,
    };
    let step = match told {
        Told::Read { done, total } => Step::Progress(progress(wire::SimulationStage::Reading, done, total)),
        Told::Played { done, total, at } => Step::Progress(wire::SimulationProgress {
            at: Some(timestamp_to_wire(at)),
            ..progress(wire::SimulationStage::Playing, done, total)
        }),
        Told::Found { report, unreadable } => Step::Report(simulation_to_wire(&report, unreadable)),
    };
    wire::SimulateResponse { step: Some(step) }
}

fn failed(reason: &Failed) -> Status {
    let again = || ErrorDetails::with_retry_info(Some(RETRY));
    match reason {
        Failed::Unsound(problems) => invalid_policy(problems),
        Failed::Busy => Status::with_error_details(Code::ResourceExhausted, reason.to_string(), again()),
        Failed::TooMany(_) => Status::resource_exhausted(reason.to_string()),
        Failed::Journal(_) | Failed::Stalled(_) | Failed::ShuttingDown => {
            Status::with_error_details(Code::Unavailable, reason.to_string(), again())
        }
    }
}
