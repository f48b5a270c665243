//! How ClickHouse is reached. Settings only: its client is named in the two parts that talk to it.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

use crate::secrets::{SecretError, SecretSource};

/// Settings of the connection to ClickHouse.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Its HTTP interface, for instance `http://clickhouse:8123`. Absent: the embedded engine.
    pub url: Option<String>,
    /// The database that holds Weir's tables.
    pub database: String,
    /// Whom to log in as.
    pub user: String,
    /// Where that user's password is found. Absent: none is sent.
    pub password: Option<SecretSource>,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: None, database: "weir".to_owned(), user: "default".to_owned(), password: None }
    }
}

impl Config {
    /// The connection that these settings describe. `embedded_url` is used where no URL is set.
    pub fn connection(&self, embedded_url: &str) -> Result<Connection, Error> {
        let password = self.password.as_ref().map(SecretSource::fetch).transpose()?;
        Ok(Connection {
            url: self.url.clone().unwrap_or_else(|| embedded_url.to_owned()),
            database: DatabaseName::try_new(&self.database)?,
            user: self.user.clone(),
            password,
        })
    }
}

/// Everything a client needs.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The HTTP interface.
    pub url: String,
    /// The database that holds Weir's tables.
    pub database: DatabaseName,
    /// Whom to log in as.
    pub user: String,
    /// With what, if the server asks for it.
    pub password: Option<SecretString>,
}

/// The name of a database, safe to stand in SQL as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Checks that the name is an identifier that needs no quotes.
    pub fn try_new(name: &str) -> Result<Self, Error> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Database { name: name.to_owned() })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the settings do not describe a connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database's name would need quotes.
    #[error(
        "clickhouse.database {name:?} is not a name: use letters, digits and '_', not beginning with a digit"
    )]
    Database {
        /// What was given.
        name: String,
    },
    /// The password cannot be had.
    #[error("clickhouse.password cannot be read")]
    Password(#[from] SecretError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_set_wins_over_the_embedded_engine() {
        let embedded = Config::default().connection("http://127.0.0.1:1").unwrap();
        assert_eq!(embedded.url, "http://127.0.0.1:1");
        let set = Config { url: Some("http://ch:8123".into()), ..Config::default() };
        assert_eq!(set.connection("http://127.0.0.1:1").unwrap().url, "http://ch:8123");
    }

    #[test]
    fn a_database_name_cannot_carry_sql() {
        for bad in ["", "1a", "a b", "a;drop", "a`b", "ä"] {
            assert!(DatabaseName::try_new(bad).is_err(), "{bad}");
        }
        assert!(DatabaseName::try_new("weir_2").is_ok());
    }
}
