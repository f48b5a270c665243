//! The gateway: a thin streaming proxy that knows who calls, asks quota whether it may, and meters what was used.
//!
//! A request takes this way: caller key → service → route → estimate → reservation → write-ahead log → upstream, whose
//! answer is streamed on byte for byte → usage → write-ahead log → journal and settle. It holds no rule of quota and
//! writes nothing but its own log and usage events.

mod admission;
mod answer;
mod api;
mod attempt;
mod auth;
mod backlog;
mod body;
mod call;
pub mod config;
mod decode;
mod delivered;
mod directory;
mod errors;
mod estimate;
mod explained;
mod extend;
mod gateway;
mod gathered;
mod governed;
mod headers;
mod hold;
mod inject;
mod intake;
mod json_members;
mod link;
mod meter;
mod metrics;
mod outage;
mod pass_through;
mod pool;
mod publish;
mod quota;
mod refusals;
mod request;
mod route;
mod run;
mod settle;
mod silence;
mod sse;
mod truncated;
mod upstream;
mod usage_parse;
mod wal;

pub use config::Config;
pub use quota::QuotaAddressError;
pub use run::{Error, Ports, run};
pub use upstream::UpstreamError;
pub use wal::WalError;
