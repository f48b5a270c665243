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

    #[test]
    fn every_setting_that_init_shows_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.toml");
        let is_setting = |line: &str| {
            let name = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).map(|(name, _)| name);
            name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        let shown = SETTINGS.lines().filter(|line| is_setting(line)).count();
        assert!(shown > 15, "only {shown} settings are shown");
        let all: Vec<_> = SETTINGS
            .lines()
            .map(|line| if is_setting(line) { line.trim_start_matches("# ") } else { line })
            .collect();
        std::fs::write(&file, all.join("\n")).unwrap();
        let common = Common { config: Some(file), data: None };
        if let Err(problem) = crate::config::load(&common) {
            panic!("{problem:#}");
        }
    }
}
