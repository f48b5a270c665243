//! Usage: what one upstream attempt used, as a fact that is never edited.

use crate::amount::{Requests, Tokens};
use crate::ids::{
    AttemptId, CallerKeyId, DeploymentId, EventId, HoldId, ModelName, NodeId, PoolId, RequestId, ServiceId,
    TeamId, UpstreamId,
};
use crate::time::Timestamp;
use std::time::Duration;

/// Tokens by class, with the meaning that OpenAI and Azure give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TokenUsage {
    /// All input tokens, cached ones included.
    pub input: Tokens,
    /// The part of the input that came from the upstream's prompt cache.
    pub input_cached: Tokens,
    /// The part of the input that was audio.
    pub input_audio: Tokens,
    /// All output tokens, reasoning included.
    pub output: Tokens,
    /// The part of the output that was reasoning.
    pub output_reasoning: Tokens,
    /// The part of the output that was audio.
    pub output_audio: Tokens,
}

impl TokenUsage {
    /// What is charged to a quota: input and output together.
    pub fn total(&self) -> Tokens {
        self.input + self.output
    }

    /// The larger of each class. Several usage objects in one stream are cumulative, so the maximum is the last word.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            input: self.input.max(other.input),
            input_cached: self.input_cached.max(other.input_cached),
            input_audio: self.input_audio.max(other.input_audio),
            output: self.output.max(other.output),
            output_reasoning: self.output_reasoning.max(other.output_reasoning),
            output_audio: self.output_audio.max(other.output_audio),
        }
    }
}

/// Where the numbers of a usage event come from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsageSource {
    /// The upstream said so.
    Reported,
    /// The upstream said nothing; a tokenizer counted what was sent and what was delivered.
    Counted,
    /// Nobody can know what the upstream generated (the gateway died, or no byte of the answer arrived); taken from the hold.
    Estimated,
    /// The upstream answered an error, for which it charges nothing.
    Unbilled,
}

impl UsageSource {
    /// Every source there is, best first.
    pub const ALL: [Self; 4] = [Self::Reported, Self::Counted, Self::Estimated, Self::Unbilled];

    /// Its name in tables and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Estimated => "estimated",
            Self::Unbilled => "unbilled",
        }
    }

    /// The source of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The upstream's answer arrived whole, and the caller was there to the end.
    Completed,
    /// The caller left early; the upstream's answer was drained and metered all the same.
    CallerLeft,
    /// The upstream answered with an error status.
    UpstreamRefused,
    /// The upstream's answer broke off, or it could not be reached.
    UpstreamBroke,
    /// The gateway died during the attempt and found it in its write-ahead log afterwards.
    GatewayLost,
}

impl AttemptOutcome {
    /// Its name in tables and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::CallerLeft => "caller_left",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamBroke => "upstream_broke",
            Self::GatewayLost => "gateway_lost",
        }
    }
}

/// What kind of work was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Chat completions.
    ChatCompletions,
    /// Embeddings.
    Embeddings,
}

impl Operation {
    /// Its name in tables and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Embeddings => "embeddings",
        }
    }
}

/// The fact that one upstream attempt used tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecorded {
    /// With `node`, the identity of the fact. The same attempt always has the same event id.
    pub id: EventId,
    /// The gateway that recorded it.
    pub node: NodeId,
    /// The caller's request, shared by all its attempts.
    pub request: RequestId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Which attempt of the request this was, from 1.
    pub attempt_number: u32,
    /// The team that owns the service.
    pub team: TeamId,
    /// The service that is charged.
    pub service: ServiceId,
    /// The key that the caller presented.
    pub caller_key: CallerKeyId,
    /// The pool that served it.
    pub pool: PoolId,
    /// The upstream endpoint that served it.
    pub upstream: UpstreamId,
    /// The deployment that served it.
    pub deployment: DeploymentId,
    /// The model, as callers ask for it; prices go by this name.
    pub model: ModelName,
    /// The kind of work.
    pub operation: Operation,
    /// Whether the caller asked for a stream.
    pub streamed: bool,
    /// When the upstream was called.
    pub started: Timestamp,
    /// When the attempt ended. The event's own time: it decides the period it is charged to.
    pub ended: Timestamp,
    /// From `started` to the first byte of the answer's body, if one arrived.
    pub first_byte_after: Option<Duration>,
    /// The upstream's HTTP status, if it answered.
    pub upstream_status: Option<u16>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The tokens.
    pub usage: TokenUsage,
    /// Where the numbers come from.
    pub usage_source: UsageSource,
    /// The true total lies between these. Equal unless the numbers are an estimate, or were counted of an answer that
    /// broke off.
    pub bounds: UsageBounds,
    /// The hold that was placed for the attempt.
    pub hold: HoldId,
    /// How many tokens were held.
    pub held: Tokens,
    /// W3C trace context of the attempt's span (`traceparent`).
    pub traceparent: String,
}

/// Between what the true total of an attempt lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsageBounds {
    /// At least this.
    pub low: Tokens,
    /// At most this.
    pub high: Tokens,
}

impl UsageBounds {
    /// The total is known.
    pub const fn exact(total: Tokens) -> Self {
        Self { low: total, high: total }
    }
}

/// How often a service was refused at one limit within a short span. Coalesced, because a client in a loop must not flood the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalsCounted {
    /// With `node`, the identity of the fact.
    pub id: EventId,
    /// The gateway that refused.
    pub node: NodeId,
    /// The team that owns the service.
    pub team: TeamId,
    /// The service that was refused.
    pub service: ServiceId,
    /// The pool it asked.
    pub pool: PoolId,
    /// The model it asked for.
    pub model: ModelName,
    /// The limit that bound, as the refusal named it, for instance `baseline`.
    pub limit: String,
    /// How many requests.
    pub count: Requests,
    /// How many tokens they asked for together.
    pub tokens: Tokens,
    /// When the counting began.
    pub from: Timestamp,
    /// When it ended. The event's own time.
    pub to: Timestamp,
}

/// Everything that is said on the usage topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageEvent {
    /// An attempt used tokens.
    Recorded(Box<UsageRecorded>),
    /// A service was refused.
    Refused(RefusalsCounted),
}

impl UsageEvent {
    /// The event's id, unique for its node.
    pub fn id(&self) -> EventId {
        match self {
            Self::Recorded(event) => event.id,
            Self::Refused(event) => event.id,
        }
    }

    /// Who recorded it.
    pub fn node(&self) -> &NodeId {
        match self {
            Self::Recorded(event) => &event.node,
            Self::Refused(event) => &event.node,
        }
    }

    /// The service it concerns: the key of the usage topic.
    pub fn service(&self) -> &ServiceId {
        match self {
            Self::Recorded(event) => &event.service,
            Self::Refused(event) => &event.service,
        }
    }

    /// The event's own time, which decides the period it belongs to.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Recorded(event) => event.ended,
            Self::Refused(event) => event.to,
        }
    }
}
