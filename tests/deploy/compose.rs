//! `compose.yaml` and the Dockerfile, read.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_yaml_ng::Value;

use crate::deploy;

/// One container of Weir's own image.
pub(crate) struct Container {
    pub(crate) name: String,
    /// What follows `weir`.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// The containers that run `weir`.
pub(crate) fn containers() -> anyhow::Result<Vec<Container>> {
    let mut compose: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(deploy().join("compose.yaml"))?)?;
    compose.apply_merge()?;
    let services = compose["services"].as_mapping().context("compose.yaml has services")?;
    let ours = services.iter().filter(|(_, service)| service["image"] == "weir");
    ours.map(|(name, service)| {
        let name = name.as_str().context("a service has a name")?.to_owned();
        let arguments = service["command"].as_sequence().context("a role has a command")?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        let environment = service["environment"].as_mapping().into_iter().flatten();
        ensure!(service["stop_grace_period"] == "60s", "{name} would be killed while it drains");
        Ok(Container {
            arguments: arguments.iter().map(text).collect::<anyhow::Result<_>>()?,
            environment: environment
                .map(|(key, value)| Ok((text(key)?, text(value)?)))
                .collect::<anyhow::Result<_>>()?,
            name,
        })
    })
    .collect()
}

/// Every role has a container, and what compose refers to is there.
pub(crate) fn check() -> anyhow::Result<()> {
    let containers = containers()?;
    let commands: BTreeSet<&str> =
        containers.iter().map(|container| container.arguments[0].as_str()).collect();
    let roles = BTreeSet::from(["apply", "aggregator", "gateway", "quota", "showback"]);
    ensure!(commands == roles, "containers run {commands:?}");
    let compose: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(deploy().join("compose.yaml"))?)?;
    let services = compose["services"].as_mapping().context("services")?;
    for (name, service) in services {
        for needed in service["depends_on"].as_mapping().into_iter().flat_map(|needs| needs.keys()) {
            ensure!(services.contains_key(needed), "{name:?} depends on {needed:?}, which is no service");
        }
        for secret in service["secrets"].as_sequence().into_iter().flatten() {
            ensure!(
                compose["secrets"].get(secret).is_some(),
                "{name:?} uses secret {secret:?}, which is not defined"
            );
        }
        for volume in service["volumes"].as_sequence().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap_or_default();
            let exists = if let Some(file) = source.strip_prefix("./") {
                file == "policy" || deploy().join(file).exists()
            } else {
                compose["volumes"].get(source).is_some()
            };
            ensure!(exists, "{name:?} mounts {source}, which is not there");
        }
    }
    Ok(())
}

/// The Dockerfile names the toolchain that is pinned and a package that exists.
pub(crate) fn check_dockerfile() -> anyhow::Result<()> {
    let dockerfile = std::fs::read_to_string(deploy().join("Dockerfile"))?;
    let pinned = std::fs::read_to_string(deploy().join("../rust-toolchain.toml"))?;
    let version = pinned.split('"').nth(1).context("rust-toolchain.toml names a channel")?;
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    ensure!(
        dockerfile.contains(&format!("FROM rust:{minor}-")),
        "the image builds with another Rust than {version}"
    );
    ensure!(dockerfile.contains("--package weir"), "the image builds the package `weir`");
    Ok(())
}
