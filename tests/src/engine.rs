//! ClickHouse's own engine, run from the test's executable.

use std::ffi::OsString;
use std::path::PathBuf;

use weir_embedded_clickhouse::{Supervisor, SupervisorConfig, fetch};

use crate::process::AS_WEIR;

/// Starts an engine on a data folder. What the machine lacks to fetch it is the error.
pub async fn start(data_dir: PathBuf) -> anyhow::Result<Supervisor> {
    let cache = fetch::default_cache_dir()?;
    let library =
        tokio::task::spawn_blocking(move || fetch::ensure(&cache, &mut fetch::terminal())).await??;
    std::fs::create_dir_all(&data_dir)?;
    let config = SupervisorConfig {
        executable: std::env::current_exe()?,
        args_prefix: [AS_WEIR, "embedded-clickhouse"].map(OsString::from).to_vec(),
        library,
        data_dir,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    Ok(Supervisor::start(config).await?)
}
