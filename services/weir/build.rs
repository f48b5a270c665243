//! Tells the program which commit it was built from: `WEIR_COMMIT` where there is no checkout, else what git says.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=WEIR_COMMIT");
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/refs/heads");
    let given = std::env::var_os("WEIR_COMMIT").and_then(|commit| commit.into_string().ok());
    let given = given.filter(|commit| !commit.is_empty());
    let commit = given.or_else(described).unwrap_or_else(|| "no commit known".to_owned());
    println!("cargo:rustc-env=WEIR_COMMIT={commit}");
}

fn described() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
