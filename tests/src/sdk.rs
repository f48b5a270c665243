//! The official OpenAI SDK for Python, in a virtual environment outside the checkout.

use std::path::PathBuf;
use std::process::Command;

/// Why the SDK cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

/// The Python that has the SDK. Fetched once with `pip`, kept in the user's cache.
pub fn python() -> Result<PathBuf, Missing> {
    let cache = weir_embedded_clickhouse::fetch::default_cache_dir();
    let environment = cache.map_err(|problem| Missing(problem.to_string()))?.join("openai-sdk");
    let python = environment.join("bin/python");
    if imports_openai(&python) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment), "python3 -m venv")?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "openai"]), "pip install openai")?;
    Ok(python)
}

fn imports_openai(python: &PathBuf) -> bool {
    let import = Command::new(python).args(["-c", "import openai"]).output();
    import.is_ok_and(|output| output.status.success())
}

/// Runs a command that fetches something; `what` names it where it cannot be.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), Missing> {
    let output = command.output().map_err(|problem| Missing(format!("`{what}` cannot be run: {problem}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Missing(format!("`{what}` failed: {}", String::from_utf8_lossy(&output.stderr))))
}
