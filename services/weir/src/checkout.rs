//! Which commit a policy folder stands at, if it is in a git checkout.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commit of the checkout that holds the folder, with `-dirty` if the folder has changes that are not in it. None
/// if git is missing, or knows no file of the folder.
pub(crate) fn commit(dir: &Path) -> Option<String> {
    let head = git(dir, &["rev-parse", "--verify", "HEAD"])?;
    if git(dir, &["ls-files", "--", "."])?.is_empty() {
        return None;
    }
    let changed = git(dir, &["status", "--porcelain", "--", "."])?;
    Some(if changed.is_empty() { head } else { head + "-dirty" })
}

fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    let output = git.arg("-C").arg(dir).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dir: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
        let all: Vec<_> = identity.iter().chain(arguments).copied().collect();
        assert!(git(dir, &all).is_some(), "git {arguments:?}");
    }

    #[test]
    fn the_commit_is_known_and_whether_the_folder_differs_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let policy = dir.path().join("policy");
        std::fs::create_dir(&policy).unwrap();
        assert_eq!(commit(&policy), None, "no checkout");
        run(dir.path(), &["init", "-q"]);
        assert_eq!(commit(&policy), None, "no commit");
        std::fs::write(policy.join("a.toml"), "a").unwrap();
        run(dir.path(), &["add", "."]);
        run(dir.path(), &["commit", "-q", "-m", "policy"]);
        let clean = commit(&policy).unwrap();
        assert_eq!(clean.len(), 40, "{clean}");
        std::fs::write(dir.path().join("elsewhere"), "x").unwrap();
        assert_eq!(commit(&policy), Some(clean.clone()), "what lies elsewhere does not count");
        std::fs::write(policy.join("b.toml"), "b").unwrap();
        assert_eq!(commit(&policy), Some(clean + "-dirty"));
    }
}
