//! Secrets: from the environment or a file, named in the settings, never written there.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// Where a secret is found. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// In this environment variable: `{ env = "AZURE_OPENAI_API_KEY" }`.
    Env(String),
    /// In this file, without the line end after it: `{ file = "/run/secrets/key" }`.
    File(PathBuf),
}

/// Why a secret cannot be had. Names where it was looked for, never what was found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("environment variable {name} is not set; put the secret there")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("secret file {path} cannot be read; put the secret there")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds nothing.
    #[error("secret file {path} is empty; put the secret there")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl SecretSource {
    /// Fetches the secret.
    pub fn fetch(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Env(name) => from_env(name),
            Self::File(path) => from_file(path),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads a secret from the environment"
)]
fn from_env(name: &str) -> Result<SecretString, SecretError> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value.into()),
        _ => Err(SecretError::NotSet { name: name.to_owned() }),
    }
}

fn from_file(path: &PathBuf) -> Result<SecretString, SecretError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretError::Empty { path: path.clone() }),
        secret => Ok(secret.to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_file_gives_its_secret_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();
        let secret = SecretSource::File(path).fetch().unwrap();
        assert_eq!(secret.expose_secret(), "s3cret");
        assert!(!format!("{secret:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = SecretSource::Env("WEIR_NO_SUCH_VARIABLE".into()).fetch().unwrap_err();
        assert!(problem.to_string().contains("WEIR_NO_SUCH_VARIABLE"));
    }
}
