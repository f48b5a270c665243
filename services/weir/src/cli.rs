//! What users type.

mod audit;
mod count;
mod events;
mod governance;
mod headroom;
mod holds;
mod policy;
mod report;
mod simulate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use audit::{Audit, AuditFormat};
pub(crate) use count::Count;
pub(crate) use events::{Events, TopicName};
pub(crate) use governance::{
    Access, BurstRequest, Bursts, Debt, Exceptions, KeyRequest, Keys, RoleName, Seen,
};
pub(crate) use headroom::{HeadroomAsked, OutputFormat};
pub(crate) use holds::Holds;
pub(crate) use policy::{Apply, Plan};
pub(crate) use report::{Edge, Report, ReportFormat};
pub(crate) use simulate::{Simulate, SimulateFormat};

/// The heading of the options that every command has.
const GLOBAL: &str = "Options of every command";
/// The longest that `weir verify` waits: an hour. What is on its way for longer does not come.
const WAIT_SECS_MAX: u64 = 3_600;

/// Meters and shares LLM capacity among many teams: gateway, quota, showback.
#[derive(Debug, Parser)]
#[command(name = "weir", version = crate::VERSION, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The settings [default: weir.toml, if there is one]
    ///
    /// Every setting can be overridden by an environment variable: WEIR__GATEWAY__LISTEN=0.0.0.0:8080.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where Weir keeps its data on this machine [default: .weir]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process, on embedded engines
    ///
    /// Gateway on 127.0.0.1:8080, showback on :8081, quota (gRPC) on :7070, metrics and health on :9464. The
    /// policy folder is applied at every start. Ctrl-C drains and stops.
    Up(Up),
    /// Write a commented weir.toml and a policy folder, for one Azure OpenAI resource to begin with
    Init {
        /// Where to write them
        #[arg(default_value = ".", value_name = "DIR")]
        dir: PathBuf,
    },
    /// Run the gateway alone (needs a Kafka journal)
    Gateway,
    /// Run the quota service alone (needs a Kafka journal)
    Quota,
    /// Run the aggregator alone (needs a Kafka journal and a ClickHouse server)
    Aggregator,
    /// Run showback alone (needs a ClickHouse server)
    Showback,
    /// Run the stand-in for Azure OpenAI and OpenAI
    ///
    /// Answers chat completions and embeddings on both URL families, enforces token-per-minute windows, and keeps
    /// a ledger of what it served at /emulator/v1/ledger. Useful without the rest of Weir.
    Emulator,
    /// Show what a policy folder would change, and change nothing
    ///
    /// Whatever would break a promise, such as guarantees that exceed a pool, is told with its file and line, all of it
    /// at once.
    Plan(Plan),
    /// Try a policy folder on the past: whom it would have refused, and who would have borrowed
    ///
    /// Plays the requests of the journal under the policy as it stands and under the folder's, and shows both side by
    /// side. What is refused by `weir plan` is refused here, too. Changes nothing.
    Simulate(Simulate),
    /// Make a policy folder so
    ///
    /// All of it or, if it would break a promise, nothing. Changes only what differs and says what; the same folder
    /// again changes nothing. The journal keeps who did it, why, and from which git commit, if the folder is in a checkout.
    Apply(Apply),
    /// Write the policy as it stands as files that `weir plan` finds no change in
    Export {
        /// The folder to write to, which holds no policy yet [default: print all of it]
        #[arg(short = 'o', long = "out", value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Bursts: more than a baseline, for a while; who asked, who decided, what is coming
    #[command(subcommand, name = "burst")]
    Bursts(Bursts),
    /// Debt: what was used above what was held, and is not repaid yet
    #[command(subcommand)]
    Debt(Debt),
    /// Exceptions: deviations from policy, each with an owner, a reason and an end
    #[command(subcommand)]
    Exceptions(Exceptions),
    /// Caller keys: who may call models, as which service
    #[command(subcommand)]
    Keys(Keys),
    /// Access keys: who may ask and decide here, as what
    #[command(subcommand)]
    Access(Access),
    /// Who you are to the quota service
    #[command(name = "whoami")]
    WhoAmI,
    /// What a service could use now, why not more, and what changes next
    Headroom(HeadroomAsked),
    /// Tokens that are held for calls and not settled yet, the oldest first
    ///
    /// Of calls that go on, and what a gateway that died or a caller who forgot has left behind. Known for a quarter of an hour
    /// at most; what is older is in what `weir headroom` shows as held.
    Holds(Holds),
    /// What every team and service used, was refused, and cost
    Report(Report),
    /// Who decided what, when and why, as far as you may see it
    Audit(Audit),
    /// Show what the journal says: usage, or with --topic quota who decided what and why
    Events(Events),
    /// Compare journal, ledger and tables, to the token
    ///
    /// Prints what differs and exits with 1 if anything does, with 2 if it cannot be known. What is on its way is
    /// waited for, within --wait.
    Verify {
        /// How long to wait for what is on its way, in seconds
        #[arg(long, default_value_t = 30, value_name = "SECONDS", allow_hyphen_values = true,
            value_parser = wait_secs)]
        wait: u64,
    },
}

/// `weir up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Add the emulator, a sample organisation and traffic, and print what it costs
    #[arg(long)]
    pub(crate) demo: bool,
}

fn wait_secs(text: &str) -> Result<u64, String> {
    let secs = text.parse().ok().filter(|secs| *secs <= WAIT_SECS_MAX);
    secs.ok_or_else(|| format!("it is a number of seconds from 0 to {WAIT_SECS_MAX}"))
}
