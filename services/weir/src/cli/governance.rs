//! What users type to govern: bursts, exceptions, caller keys, access keys.

use clap::{Args, Subcommand, ValueEnum};
use weir_domain::burst::Category;
use weir_domain::ids::{
    AccessKeyId, BurstId, CallerKeyId, ExceptionId, ModelName, PoolId, ServiceId, TeamId,
};

use super::Count;
use crate::instant::{Span, When};

/// What every command takes that changes something.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Seen {
    /// The etag that `weir plan` or a list has printed: refuse if anything was decided since
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

impl Seen {
    /// The etag; empty if none was given.
    pub(crate) fn etag(self) -> String {
        self.etag.unwrap_or_default()
    }
}

/// `weir burst`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bursts {
    /// Ask for one; it counts only once it is approved
    Request(BurstRequest),
    /// Say yes: it counts from its start to its end
    ///
    /// It raises the guarantee, so it must fit its pool over its whole window, other bursts included.
    Approve {
        /// The burst
        name: BurstId,
        /// Raise only what it may borrow, not its guarantee: for a burst that does not fit
        #[arg(long)]
        best_effort: bool,
        /// Why, for the journal
        #[arg(long, default_value = "weir burst approve")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// Say no to a request
    Deny {
        /// The burst
        name: BurstId,
        /// Why, for whoever asked
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// End one now, or take a request back
    Revoke {
        /// The burst
        name: BurstId,
        /// Why, for whoever asked
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// Let one end later
    Extend {
        /// The burst
        name: BurstId,
        /// When it is to end: 2026-12-01T18:00:00+01:00, 2026-12-01, or +2h from now
        #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
        end: When,
        /// Why, for the journal
        #[arg(long, default_value = "weir burst extend")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// List what waits for a decision, is coming or counts, the next first
    List {
        /// Those that are over, denied or revoked, too
        #[arg(long)]
        all: bool,
        /// Only of this service
        #[arg(long)]
        service: Option<ServiceId>,
    },
}

/// `weir burst request`.
#[derive(Debug, Args)]
pub(crate) struct BurstRequest {
    /// The service that needs more
    pub(crate) service: ServiceId,
    /// The pool in which it needs more
    #[arg(long)]
    pub(crate) pool: PoolId,
    /// How many tokens a minute more than its baseline
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) extra: Count,
    /// From when on: 2026-12-01T08:00:00+01:00, 2026-12-01 (its first moment in UTC), or +90m, +2h, +3d from now
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) start: When,
    /// Until when
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) end: When,
    /// What kind of event it is for: demo, migration, training, onboarding, incident or other
    #[arg(long, value_name = "KIND", default_value = "other", value_parser = category)]
    pub(crate) category: Category,
    /// Why, in your words
    #[arg(long)]
    pub(crate) reason: String,
    /// What it is called from now on [default: the service, the category and the day of its start]
    #[arg(long)]
    pub(crate) name: Option<BurstId>,
    #[command(flatten)]
    pub(crate) seen: Seen,
}

fn category(text: &str) -> Result<Category, String> {
    Category::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Category::ALL.iter().map(|category| category.as_str()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// `weir debt`.
#[derive(Debug, Subcommand)]
pub(crate) enum Debt {
    /// Let a service owe nothing any more, for instance what a gateway's slip has charged; budgets keep what they have
    /// counted, and reports what was told
    Forgive {
        /// The service
        service: ServiceId,
        /// The pool in which it owes
        #[arg(long)]
        pool: PoolId,
        /// Why, for the journal
        #[arg(long)]
        reason: String,
    },
}

/// `weir exceptions`.
#[derive(Debug, Subcommand)]
pub(crate) enum Exceptions {
    /// List those that have not ended, the soonest to end first
    List,
    /// Grant one, or change one of the same name
    Grant {
        /// What it is called
        name: ExceptionId,
        /// The service that deviates
        #[arg(long)]
        service: ServiceId,
        /// From what: sandbox-limit (a service without owner or use case may have more than the sandbox), or a rule that
        /// people keep, in your words
        #[arg(long, value_name = "RULE", default_value = crate::policy_files::SANDBOX_LIMIT)]
        waives: String,
        /// Who answers for it
        #[arg(long)]
        owner: String,
        /// Why it is needed
        #[arg(long)]
        reason: String,
        /// When it ends, by itself: 2026-12-01T18:00:00+01:00, 2026-12-01, or +30d from now
        #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
        end: When,
        #[command(flatten)]
        seen: Seen,
    },
    /// End one now
    End {
        /// The exception
        name: ExceptionId,
        /// Why, for the journal
        #[arg(long, default_value = "weir exceptions end")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
}

/// `weir keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and print it, once; Weir keeps only its SHA-256
    Create(KeyRequest),
    /// Make a key that takes the place of another, and print it, once; both are accepted for a while
    ///
    /// The new key is for the same service, models and person.
    Rotate {
        /// The public name of the key that is to go
        name: CallerKeyId,
        /// How long the old key is still accepted, such as 90m, 24h or 7d
        #[arg(long, value_name = "SPAN", allow_hyphen_values = true, default_value = "24h")]
        overlap: Span,
        /// When the new key expires: 2027-01-31T00:00:00Z, 2027-01-31, or +90d from now [default: after as long as the old one was to live]
        #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
        expires: Option<When>,
        /// The new key's public name [default: the old one's, with another tail]
        #[arg(long, value_name = "NAME")]
        new_name: Option<CallerKeyId>,
        /// Why, for the journal
        #[arg(long, default_value = "weir keys rotate")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// List the keys that have not been revoked
    List,
    /// Accept a key no longer, from now on
    Revoke {
        /// The key's public name
        name: CallerKeyId,
        /// Why, for the journal
        #[arg(long, default_value = "weir keys revoke")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
}

/// `weir keys create`.
#[derive(Debug, Args)]
pub(crate) struct KeyRequest {
    /// The service that is charged for what the key's holder uses
    pub(crate) service: ServiceId,
    /// The key's public name, by which it is revoked [default: the service's name and a tail that no other has]
    #[arg(long)]
    pub(crate) name: Option<CallerKeyId>,
    /// The person who holds it [default: a program does]
    #[arg(long, value_name = "NAME")]
    pub(crate) human: Option<String>,
    /// The only models it may call, separated by commas [default: all that the service may]
    #[arg(long, value_delimiter = ',')]
    pub(crate) models: Vec<ModelName>,
    /// From when on it is no longer accepted: 2027-01-31T00:00:00Z, 2027-01-31, or +90d from now [default: never]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) expires: Option<When>,
    /// Why, for the journal
    #[arg(long, default_value = "weir keys create")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) seen: Seen,
}

/// `weir access`.
#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// Make a key to the quota service and print it, once
    ///
    /// Its holder puts it into a file and runs weir with WEIR__QUOTA__TOKEN__FILE=that-file.
    Create {
        /// The holder's name, which is the author of all they decide
        name: AccessKeyId,
        /// What they are
        #[arg(long)]
        role: RoleName,
        /// The team of a lead
        #[arg(long, required_if_eq("role", "lead"))]
        team: Option<TeamId>,
        /// From when on it is no longer accepted: 2027-01-31T00:00:00Z, 2027-01-31, or +90d from now [default: never]
        #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
        expires: Option<When>,
        /// Why, for the journal
        #[arg(long, default_value = "weir access create")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
    /// List the keys that have not been revoked
    List,
    /// Accept a key no longer, from now on
    Revoke {
        /// The key's public name
        name: AccessKeyId,
        /// Why, for the journal
        #[arg(long, default_value = "weir access revoke")]
        reason: String,
        #[command(flatten)]
        seen: Seen,
    },
}

/// What somebody is to the quota service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// May do everything
    Admin,
    /// Decides on bursts and exceptions, and sees everything
    Approver,
    /// Asks for a team, manages its caller keys, and sees what concerns it
    Lead,
    /// A gateway: admission and the directory
    Node,
    /// Sees everything, changes nothing
    Viewer,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_is_explained() {
        fn check(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} is not explained");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {} is not explained", argument.get_id());
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        let mut command = Cli::command();
        command.build();
        check(&command, "weir");
    }

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn what_people_type_is_understood() {
        for line in [
            "weir plan -f policy --detailed-exitcode",
            "weir export -o out",
            "weir burst request chat --pool gpt --extra 1000 --start +2h --end 2099-12-01 --category demo --reason r",
            "weir burst approve launch --best-effort",
            "weir burst extend launch --end +3d",
            "weir burst list --all --service chat",
            "weir exceptions grant e --service chat --owner Bo --reason r --end 2099-12-01",
            "weir keys create chat --human Ada --models gpt-4o,gpt-4o-mini --expires +90d",
            "weir keys rotate chat-1 --overlap 24h --expires +90d --etag 7",
            "weir apply -f policy --etag 7",
            "weir events --topic quota --since -7d --author Ada --json",
            "weir access create ada --role lead --team care",
            "weir headroom chat --tokens 5000",
            "weir whoami",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_asked() {
        for line in [
            "weir burst deny launch",
            "weir burst request chat --pool gpt --extra 0 --start +2h --end +3h --reason r",
            "weir burst request chat --pool gpt --extra 1 --start soon --end +3h --reason r",
            "weir burst request chat --pool gpt --extra 1 --start +2h --end +3h --reason r --category party",
            "weir keys create Not-A-Name",
            "weir access create ada --role lead",
            "weir headroom chat --tokens 0",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
