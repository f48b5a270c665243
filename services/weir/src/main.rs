//! The `weir` executable; see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::run_from(std::env::args_os(), &[])
}
