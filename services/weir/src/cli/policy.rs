//! What users type to see what a policy folder would change, and to make it so.

use std::path::PathBuf;

use clap::Args;

use super::{OutputFormat, Seen};

/// `weir plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The folder with policy files; folders in it are read too
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Exit with 2 if there are changes, 0 if there are none, 1 if something is wrong
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// text, or json with warnings by file and line
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `weir apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The folder with policy files; folders in it are read too
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Why, for the journal
    #[arg(long, default_value = "weir apply")]
    pub(crate) reason: String,
    /// text, or json with warnings by file and line
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
    #[command(flatten)]
    pub(crate) seen: Seen,
}
