//! One call to an upstream, from its record in the write-ahead log to its usage event and settle.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_domain::ids::{AttemptId, HoldId, ModelName, PoolId, ServiceId};
use weir_domain::usage::{AttemptOutcome, TokenUsage, UsageEvent, UsageRecorded};
use weir_proto::codec::{AttemptEnded, AttemptStarted};
use weir_runtime::clock::Clock;

use crate::backlog::Backlog;
use crate::extend::UnderWay;
use crate::meter::{Expected, Measured};
use crate::metrics;
use crate::wal::{Step, Unfinished, Wal};

/// A place among the attempts that may be unfinished. Free again when the event is published and the settle done.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// An event that must reach the journal.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) event: UsageEvent,
    /// The attempt it is of, if it is of one.
    pub(crate) attempt: Option<AttemptId>,
    _place: Option<Place>,
}

impl Publication {
    /// An event that belongs to no attempt.
    pub(crate) fn of_no_attempt(event: UsageEvent) -> Self {
        Self { event, attempt: None, _place: None }
    }
}

/// A settle that must reach quota.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) attempt: AttemptId,
    pub(crate) hold: HoldId,
    pub(crate) service: ServiceId,
    pub(crate) pool: PoolId,
    pub(crate) model: ModelName,
    pub(crate) usage: TokenUsage,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// None after a restart: the process before may have settled it.
    place: Option<Place>,
}

impl Settlement {
    /// Whether nobody can have settled it before.
    pub(crate) fn is_first(&self) -> bool {
        self.tries == 0 && self.place.is_some()
    }
}

/// What all attempts share.
pub(crate) struct Metering {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wal: Arc<Wal>,
    pub(crate) publications: Arc<Backlog<Publication>>,
    pub(crate) settlements: Arc<Backlog<Settlement>>,
    pub(crate) under_way: Arc<UnderWay>,
    places: Arc<Semaphore>,
}

impl Metering {
    /// Metering with room for so many unfinished attempts.
    pub(crate) fn new(clock: Arc<dyn Clock>, wal: Arc<Wal>, attempts_open_max: u32) -> Self {
        let places = Arc::new(Semaphore::new(attempts_open_max as usize));
        let (publications, settlements, under_way) = (Arc::default(), Arc::default(), Arc::default());
        Self { clock, wal, publications, settlements, under_way, places }
    }

    /// A place for one more attempt, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Arc::new)
    }

    /// Begins an attempt: from here on it has a usage event in the end. After an error the upstream must not be called;
    /// then there is no attempt, or (if its record is written, but not as durable as it must be) it has ended unbilled.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        started: AttemptStarted,
        place: Place,
    ) -> std::io::Result<Attempt> {
        let written = self.wal.start(&started)?;
        let ending = Ending::default();
        let mut attempt = Attempt { metering: Arc::clone(self), started, place, ending, is_over: false };
        if let Err(problem) = written.durable().await {
            attempt.end(AttemptOutcome::UpstreamBroke, Measured::unbilled());
            return Err(problem);
        }
        self.under_way.begin(&attempt.started);
        Ok(attempt)
    }

    /// Finishes what a process before this one left: what never ended is estimated from its hold.
    pub(crate) fn recover(&self, unfinished: Vec<Unfinished>) {
        for attempt in unfinished {
            let Unfinished { started, ended, published, settled, .. } = attempt;
            let ended = ended.unwrap_or_else(|| {
                let lost = self.lost(&started);
                self.record_end(&lost);
                lost
            });
            let event = started.ended(&ended);
            if !settled {
                self.settlements.push(settlement(&event, None));
            }
            if !published {
                self.publications.push(publication(event, None));
            }
        }
    }

    /// These attempts' settles were acknowledged.
    pub(crate) fn mark_settled(&self, attempts: &[AttemptId]) {
        mark_settled(&self.wal, attempts);
    }

    fn lost(&self, started: &AttemptStarted) -> AttemptEnded {
        let measured = Measured::estimated(Expected { input: started.input, held: started.held });
        ended(started.attempt, self.clock.now(), AttemptOutcome::GatewayLost, measured, &Ending::default())
    }

    /// An end that cannot be written is not lost: it is published from memory. Only a kill before that would have the
    /// attempt estimated after a restart.
    fn record_end(&self, ended: &AttemptEnded) {
        if let Err(problem) = self.wal.end(ended) {
            tracing::error!(%problem, attempt = %ended.attempt, "end of an attempt cannot be written to the write-ahead log");
        }
    }
}

/// A mark that is lost makes settles be repeated after a restart, which changes nothing.
pub(crate) fn mark_settled(wal: &Wal, attempts: &[AttemptId]) {
    if let Err(problem) = wal.mark(Step::Settled, attempts) {
        tracing::warn!(%problem, "settles cannot be marked: they will be repeated after a restart");
    }
}

/// What was seen of the upstream's answer.
#[derive(Debug, Default)]
struct Ending {
    status: Option<u16>,
    first_byte_after: Option<Duration>,
}

/// A call to an upstream that is under way.
pub(crate) struct Attempt {
    metering: Arc<Metering>,
    started: AttemptStarted,
    place: Place,
    ending: Ending,
    is_over: bool,
}

impl Attempt {
    /// The upstream answered with this status.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.ending.status = Some(status.as_u16());
    }

    /// A byte of the answer's body arrived.
    pub(crate) fn body_arrives(&mut self) {
        if self.ending.first_byte_after.is_none() {
            self.ending.first_byte_after = Some(self.metering.clock.now().since(self.started.started));
        }
    }

    /// What was known of it before.
    pub(crate) fn expected(&self) -> Expected {
        Expected { input: self.started.input, held: self.started.held }
    }

    /// It is over: written down, to be published and settled. Only the first call counts.
    pub(crate) fn end(&mut self, outcome: AttemptOutcome, measured: Measured) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.metering.under_way.end(self.started.attempt);
        let now = self.metering.clock.now();
        let ended = ended(self.started.attempt, now, outcome, measured, &self.ending);
        self.metering.record_end(&ended);
        let event = self.started.ended(&ended);
        metrics::attempt_ended(&event);
        self.metering.settlements.push(settlement(&event, Some(Arc::clone(&self.place))));
        self.metering.publications.push(publication(event, Some(Arc::clone(&self.place))));
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Drop for Attempt {
    /// A panic must not leave an attempt open until the next start. When a process ends, the log has it.
    fn drop(&mut self) {
        if !self.is_over {
            self.metering.under_way.end(self.started.attempt);
        }
        if std::thread::panicking() {
            let estimated = Measured::estimated(self.expected());
            self.end(AttemptOutcome::GatewayLost, estimated);
        }
    }
}

fn ended(
    attempt: AttemptId,
    now: weir_domain::time::Timestamp,
    outcome: AttemptOutcome,
    measured: Measured,
    ending: &Ending,
) -> AttemptEnded {
    AttemptEnded {
        attempt,
        ended: now,
        first_byte_after: ending.first_byte_after,
        upstream_status: ending.status,
        outcome,
        usage: measured.usage,
        usage_source: measured.source,
        bounds: measured.bounds,
    }
}

fn publication(event: UsageRecorded, place: Option<Place>) -> Publication {
    Publication { attempt: Some(event.attempt), event: UsageEvent::Recorded(Box::new(event)), _place: place }
}

fn settlement(event: &UsageRecorded, place: Option<Place>) -> Settlement {
    Settlement {
        attempt: event.attempt,
        hold: event.hold,
        service: event.service.clone(),
        pool: event.pool.clone(),
        model: event.model.clone(),
        usage: event.usage,
        tries: 0,
        place,
    }
}
