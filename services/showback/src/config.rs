//! Settings of showback.

use serde::Deserialize;
use weir_domain::price::Currency;

/// Settings of showback.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the page and the API are served.
    pub listen: String,
    /// The IANA time zone of days and months, for instance `Europe/Berlin`.
    pub zone: String,
    /// The currency of reports (ISO 4217). Absent: that of the price that was set last.
    pub currency: Option<String>,
    /// How often the page loads itself again, in seconds.
    pub refresh_secs: u32,
    /// How long ClickHouse may take to answer, in milliseconds.
    pub query_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8081".to_owned(),
            zone: "UTC".to_owned(),
            currency: None,
            refresh_secs: 10,
            query_timeout_ms: 30_000,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// There is no such zone.
    #[error("showback.zone {0:?} is not an IANA time zone such as \"Europe/Berlin\"")]
    Zone(String),
    /// It is no currency.
    #[error("showback.currency {0:?} is not an ISO 4217 code such as \"USD\"")]
    Currency(String),
}

impl Config {
    pub(crate) fn time_zone(&self) -> Result<chrono_tz::Tz, Invalid> {
        self.zone.parse().map_err(|_| Invalid::Zone(self.zone.clone()))
    }

    pub(crate) fn report_currency(&self) -> Result<Option<Currency>, Invalid> {
        let parse = |text: &String| Currency::try_new(text).map_err(|_| Invalid::Currency(text.clone()));
        self.currency.as_ref().map(parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_mean_nothing_are_named() {
        let config =
            Config { zone: "Mars/Olympus".into(), currency: Some("dollar".into()), ..Config::default() };
        assert!(config.time_zone().unwrap_err().to_string().contains("Mars/Olympus"));
        assert!(config.report_currency().unwrap_err().to_string().contains("dollar"));
        assert!(Config::default().time_zone().is_ok());
    }
}
