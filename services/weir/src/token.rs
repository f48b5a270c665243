//! The token that Weir's own parts and its command line present to the quota service.
//!
//! With no setting it is generated into the data directory, readable by its owner only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::SecretString;
use weir_runtime::client_tls::ClientTls;
use weir_runtime::secrets::SecretSource;

use crate::secret_text;

/// Where the generated token is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.token")
}

/// The token of the settings, or the generated one.
pub(crate) fn find(setting: Option<&SecretSource>, data_dir: &Path) -> anyhow::Result<SecretString> {
    if let Some(source) = setting {
        return source.fetch().context("quota.token");
    }
    let path = path(data_dir);
    SecretSource::File(path).fetch().context(
        "the quota service's token is neither in the settings (quota.token) nor in the data directory; \
         run this where `weir up` runs, or give --data",
    )
}

/// The token that a caller of the quota service presents: none need be there beside a certificate, which says who they are.
pub(crate) fn of_caller(
    tls: &ClientTls,
    setting: Option<&SecretSource>,
    data_dir: &Path,
) -> anyhow::Result<Option<SecretString>> {
    if tls.certificate.is_some() && setting.is_none() {
        return Ok(None);
    }
    find(setting, data_dir).map(Some)
}

/// The token of the settings, or the generated one, which is made if it is missing.
pub(crate) fn find_or_make(setting: Option<&SecretSource>, data_dir: &Path) -> anyhow::Result<SecretString> {
    let path = path(data_dir);
    if setting.is_none() && !path.exists() {
        write_private(&path, &secret_text::random("weir_admin_"))?;
    }
    find(setting, data_dir)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let draft = path.with_extension("draft");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_generated_token_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = find_or_make(None, dir.path()).unwrap();
        let again = find_or_make(None, dir.path()).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        let mode = std::fs::metadata(path(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
