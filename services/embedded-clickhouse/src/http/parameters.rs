//! What a request asks for besides its statement: parameters of the URL, of a form, and headers.
//!
//! A name that is not HTTP's own is a setting, as in ClickHouse, and the engine judges it. What cannot be served is
//! refused by name: ignoring it would give another answer than ClickHouse.

use axum::extract::Query;
use http::{HeaderMap, Method, Uri};

use crate::compression::Encoding;
use crate::exception::{BAD_ARGUMENTS, Exception, NOT_IMPLEMENTED};
use crate::format;

/// Names that mean nothing to a server with one user, no quotas and nothing to tune about its buffers.
const WITHOUT_EFFECT: [&str; 7] =
    ["user", "password", "quota_key", "buffer_size", "session_timeout", "session_check", "stacktrace"];

/// What a request asks for.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// The statement or its beginning; the body follows it.
    pub(super) query: String,
    pub(super) database: Option<String>,
    pub(super) default_format: Option<String>,
    pub(super) query_id: Option<String>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) params: Vec<(String, String)>,
    /// The body is in native blocks.
    pub(super) decompress: bool,
    /// The answer is to be held back until it is whole.
    pub(super) wait_end: bool,
    encoding: Encoding,
}

impl Parameters {
    /// Reads the URL and the headers. Of both, the URL has the last word.
    pub(super) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, Exception> {
        let mut parameters = Self::default();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        parameters.database = header("x-clickhouse-database");
        parameters.default_format =
            header("x-clickhouse-format").as_deref().map(format::checked).transpose()?;
        if header("accept-encoding").is_some_and(|codecs| accepts(&codecs, "lz4")) {
            parameters.encoding = Encoding::Lz4;
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Exception::new(BAD_ARGUMENTS, format_args!("malformed URL: {error}")))?;
        for (name, value) in pairs {
            parameters.take(name, value)?;
        }
        if method != Method::POST {
            parameters.make_readonly();
        }
        Ok(parameters)
    }

    /// Takes one name with its value, from the URL or from a form.
    pub(super) fn take(&mut self, name: String, value: String) -> Result<(), Exception> {
        match name.as_str() {
            "query" => self.query = value,
            "database" => self.database = Some(value),
            "default_format" => self.default_format = Some(format::checked(&value)?),
            "query_id" => self.query_id = Some(value),
            "compress" if flag(&value) => self.encoding = Encoding::Blocks,
            "decompress" => self.decompress = flag(&value),
            "wait_end_of_query" => self.wait_end = flag(&value),
            "session_id" | "role" => return Err(not_served(&name)),
            "client_protocol_version" if value != "0" => return Err(not_served(&name)),
            "compress" | "client_protocol_version" => {}
            name if WITHOUT_EFFECT.contains(&name) => {}
            _ => match name.strip_prefix("param_") {
                Some(param) => self.params.push((param.to_owned(), value)),
                None => self.settings.push((name, value)),
            },
        }
        Ok(())
    }

    /// `GET` must not change anything: ClickHouse sets `readonly` to 2 unless it is stricter already.
    fn make_readonly(&mut self) {
        let stricter = self.setting("readonly").is_some_and(|value| value != "0");
        if !stricter {
            self.settings.retain(|(name, _)| name != "readonly");
            self.settings.push(("readonly".to_owned(), "2".to_owned()));
        }
    }

    /// The last value given to a setting.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// How the answer is written.
    pub(super) fn encoding(&self) -> Encoding {
        match self.encoding {
            Encoding::Lz4 if !self.setting("enable_http_compression").is_none_or(flag) => Encoding::Plain,
            encoding => encoding,
        }
    }
}

fn flag(value: &str) -> bool {
    matches!(value, "1" | "true")
}

fn not_served(name: &str) -> Exception {
    Exception::new(NOT_IMPLEMENTED, format_args!("{name} is not served by the embedded engine"))
}

/// Whether a list such as `gzip, lz4;q=0.5` has a codec.
fn accepts(list: &str, codec: &str) -> bool {
    list.split(',')
        .any(|item| item.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(codec)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, uri: &str) -> Parameters {
        Parameters::read(method, &uri.parse().unwrap(), &HeaderMap::new()).unwrap()
    }

    #[test]
    fn what_is_not_a_name_of_http_is_a_setting() {
        let read =
            read(&Method::POST, "/?query=SELECT+1&database=d&max_threads=2&param_x=%27y&user=u&password=p");
        assert_eq!((read.query.as_str(), read.database.as_deref()), ("SELECT 1", Some("d")));
        assert_eq!(read.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert_eq!(read.params, [("x".to_owned(), "'y".to_owned())]);
    }

    #[test]
    fn a_get_is_read_only_whatever_it_says() {
        assert_eq!(read(&Method::GET, "/?readonly=0").setting("readonly"), Some("2"));
        assert_eq!(read(&Method::GET, "/?readonly=1").setting("readonly"), Some("1"));
        assert_eq!(read(&Method::POST, "/").setting("readonly"), None);
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        for uri in ["/?session_id=1", "/?role=r", "/?client_protocol_version=54460"] {
            let refused =
                Parameters::read(&Method::POST, &uri.parse().unwrap(), &HeaderMap::new()).unwrap_err();
            assert_eq!(refused.code, 48, "{uri}");
        }
    }

    #[test]
    fn lz4_is_used_only_if_it_is_accepted() {
        let encoding = |codecs: &'static str, uri: &str| {
            let headers = HeaderMap::from_iter([(http::header::ACCEPT_ENCODING, codecs.parse().unwrap())]);
            Parameters::read(&Method::POST, &uri.parse().unwrap(), &headers).unwrap().encoding()
        };
        assert_eq!(encoding("gzip, lz4;q=0.5", "/"), Encoding::Lz4);
        assert_eq!(encoding("gzip", "/"), Encoding::Plain);
        assert_eq!(encoding("lz4", "/?enable_http_compression=0"), Encoding::Plain);
        assert_eq!(encoding("lz4", "/?compress=1"), Encoding::Blocks);
    }
}
