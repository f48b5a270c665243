//! `weir init`: settings and a policy to begin with.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

use crate::output;

/// The commented settings that `weir init` writes. Every line that is not a comment states a default or must be edited.
pub(crate) const SETTINGS: &str = include_str!("init/weir.toml");
/// What stands in the settings where the resource's name belongs.
pub(crate) const ADDRESS_TO_FILL_IN: &str = "YOUR-RESOURCE";
const POLICY: &str = include_str!("init/policy.toml");

/// Writes the files; never over what is there.
pub(crate) fn run(dir: &Path) -> anyhow::Result<()> {
    let files = [(dir.join("weir.toml"), SETTINGS), (dir.join("policy/policy.toml"), POLICY)];
    if let Some((present, _)) = files.iter().find(|(path, _)| path.exists()) {
        bail!("{} is there already; remove it, or give another folder: `weir init DIR`", present.display());
    }
    for (path, text) in &files {
        write_new(path, text)?;
        output::line(&format!("wrote {}", path.display()));
    }
    output::line(
        "\nNext:\n  1. put your resource's address into weir.toml (base_url)\n  \
         2. export AZURE_OPENAI_API_KEY=…\n  3. weir up",
    );
    Ok(())
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let mut file =
        std::fs::File::create_new(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Common;

    /// The settings with all that is commented out uncommented: names with values, and blocks.
    fn uncommented() -> String {
        let is_setting = |line: &str| {
            let name = line.split_once(" = ").map(|(name, _)| name);
            name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        let is_block = |line: &str| line.starts_with('[') && line.ends_with(']');
        let shown = |line: &str| is_setting(line) || is_block(line);
        let lines =
            SETTINGS.lines().map(|line| line.strip_prefix("# ").filter(|it| shown(it)).unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn load(text: &str) -> crate::config::Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.toml");
        std::fs::write(&file, text).unwrap();
        let common = Common { config: Some(file), data: None };
        crate::config::load(&common).unwrap_or_else(|problem| panic!("{problem:#}"))
    }

    #[test]
    fn every_setting_that_init_shows_is_one() {
        let text = uncommented();
        assert!(text.lines().filter(|line| line.contains(" = ")).count() > 40, "{text}");
        let config = load(&text);
        let auth = &config.quota.auth;
        assert!(
            config.quota.tls.is_some() && auth.oidc.is_some() && auth.certificates.len() == 1,
            "blocks too"
        );
    }

    #[test]
    fn what_init_shows_of_quota_are_its_defaults() {
        let (shown, usual) = (load(&uncommented()).quota, weir_quota::Config::default());
        assert_eq!(shown.sandbox_tokens_per_minute, usual.sandbox_tokens_per_minute);
        assert_eq!(shown.requester_may_approve, usual.requester_may_approve);
        assert_eq!(shown.snapshot_every_events, usual.snapshot_every_events);
        assert_eq!((shown.listen, shown.node), (usual.listen, usual.node));
    }

    #[test]
    fn what_init_writes_is_sound_as_it_is() {
        let usual = weir_quota::Config::default();
        assert_eq!(load(SETTINGS).quota, usual);
    }
}
