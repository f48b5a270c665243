//! `weir`: the one binary. Reads settings, wires ports, starts roles, and is the command line of the rest.
//!
//! Holds no rule of the product: a role's work is in its own crate. It is a library too, so that tests can run it
//! from their own executable and kill it.

mod access;
mod audit;
mod bursts;
mod checkout;
mod cli;
mod client;
mod config;
mod debt;
mod demo;
mod engine;
mod events;
mod exceptions;
mod headroom;
mod holds;
mod http;
mod init;
mod instant;
mod keys;
mod output;
mod policy;
mod policy_files;
mod records;
mod report;
mod roles;
mod secret_text;
#[cfg(test)]
mod served;
mod simulate;
mod stages;
mod token;
mod topic_reader;
mod up;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

/// Version and commit, as `weir --version` prints them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("WEIR_COMMIT"), ")");

/// Runs the command line.
///
/// `own_prefix` is what must stand before `weir`'s own arguments when this executable is started again as a child:
/// nothing for `weir` itself.
pub fn run_from(arguments: impl IntoIterator<Item = OsString>, own_prefix: &[&str]) -> ExitCode {
    let mut arguments = arguments.into_iter().peekable();
    let program = arguments.next();
    if arguments.next_if(|first| first == engine::CHILD_COMMAND).is_some() {
        return exit_code(engine::run_child(arguments).map(|()| ExitCode::SUCCESS));
    }
    let cli = match Cli::try_parse_from(program.into_iter().chain(arguments)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are no failures; clap knows the codes and the streams.
            let code = usage.exit_code();
            return match usage.print() {
                Ok(()) => ExitCode::from(u8::try_from(code).unwrap_or(2)),
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    install_tls();
    exit_code(dispatch(cli, own_prefix))
}

fn exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|problem| {
        output::failure(&problem);
        ExitCode::FAILURE
    })
}

/// One TLS provider for the process, before anything uses TLS.
fn install_tls() {
    // An error means that a provider is installed already, which is all that is wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn dispatch(cli: Cli, own_prefix: &[&str]) -> anyhow::Result<ExitCode> {
    if let Command::Init { dir } = &cli.command {
        init::run(dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = config::load(&cli.common)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(cli.command, config, own_prefix))
}

async fn run(command: Command, config: config::Config, own_prefix: &[&str]) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(options) => up::run(config, options.demo, own_prefix).await?,
        Command::Gateway => roles::alone(config, roles::Role::Gateway).await?,
        Command::Quota => roles::alone(config, roles::Role::Quota).await?,
        Command::Aggregator => roles::alone(config, roles::Role::Aggregator).await?,
        Command::Showback => roles::alone(config, roles::Role::Showback).await?,
        Command::Emulator => roles::alone(config, roles::Role::Emulator).await?,
        Command::Plan(asked) => return policy::plan(&config, &asked).await,
        Command::Simulate(options) => return simulate::run(&config, options).await,
        Command::Apply(asked) => policy::run_apply(&config, asked).await?,
        Command::Export { dir } => policy::export(&config, dir.as_deref()).await?,
        Command::Bursts(command) => bursts::run(&config, command).await?,
        Command::Debt(command) => debt::run(&config, command).await?,
        Command::Exceptions(command) => exceptions::run(&config, command).await?,
        Command::Keys(command) => keys::run(&config, command).await?,
        Command::Access(command) => access::run(&config, command).await?,
        Command::WhoAmI => access::who_am_i(&config).await?,
        Command::Headroom(asked) => headroom::run(&config, asked).await?,
        Command::Holds(asked) => holds::run(&config, &asked).await?,
        Command::Report(options) => report::run(&config, options).await?,
        Command::Audit(asked) => audit::run(&config, &asked).await?,
        Command::Events(asked) => events::run(&config, asked).await?,
        Command::Verify { wait } => return verify::run(&config, wait, own_prefix).await,
        Command::Init { .. } => unreachable!("dispatched before"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Who is at the keyboard, for the journal; where nobody says, whoever holds the admin token.
#[expect(clippy::disallowed_methods, reason = "the login name is no setting")]
fn login() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "admin".to_owned())
}
