//! Headers of answers, as OpenAI and Azure send them.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::call::{Call, MS_CLIENT_REQUEST_ID};
use crate::error::Dialect;
use crate::limits::Remaining;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Where Azure's answers say they come from.
const REGION: &str = "Sweden Central";

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Json,
    EventStream,
}

/// What the headers of an answer are made of.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) call: &'a Call,
    pub(crate) media_type: MediaType,
    /// None: the call was refused.
    pub(crate) remaining: Option<Remaining>,
    pub(crate) elapsed: Duration,
}

impl Head<'_> {
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = plain(self.media_type, &self.call.request_id);
        self.add_limits(&mut headers);
        match self.call.dialect {
            Dialect::OpenAi => self.add_openai(&mut headers),
            Dialect::Azure => self.add_azure(&mut headers),
        }
        headers
    }

    fn add_limits(&self, headers: &mut HeaderMap) {
        let config = &self.call.deployed.config;
        if let Some(percent) = self.call.deployed.limiter().utilisation_percent() {
            insert(headers, "azure-openai-deployment-utilization", text(&format!("{percent}%")));
            return;
        }
        let remaining = self.remaining.unwrap_or_default();
        insert(headers, "x-ratelimit-limit-requests", config.requests_per_minute.into());
        insert(headers, "x-ratelimit-limit-tokens", config.tokens_per_minute.into());
        insert(headers, "x-ratelimit-remaining-requests", remaining.requests.into());
        insert(headers, "x-ratelimit-remaining-tokens", remaining.tokens.into());
        if self.call.dialect == Dialect::OpenAi && self.remaining.is_some() {
            let reset = text(&format!("{}ms", remaining.reset_after.as_millis()));
            insert(headers, "x-ratelimit-reset-requests", reset.clone());
            insert(headers, "x-ratelimit-reset-tokens", reset);
        }
    }

    fn add_openai(&self, headers: &mut HeaderMap) {
        let elapsed_ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        insert(headers, "openai-organization", HeaderValue::from_static("weir-emulator"));
        insert(headers, "openai-processing-ms", elapsed_ms.into());
        insert(headers, "openai-version", HeaderValue::from_static("2020-10-01"));
    }

    fn add_azure(&self, headers: &mut HeaderMap) {
        insert(headers, "apim-request-id", text(&self.call.request_id));
        insert(headers, "x-ms-region", HeaderValue::from_static(REGION));
        insert(headers, "x-ms-deployment-name", text(&self.call.deployed.config.name));
        insert(headers, "x-content-type-options", HeaderValue::from_static("nosniff"));
        if let Some(id) = self.call.headers.get(&MS_CLIENT_REQUEST_ID) {
            headers.insert(MS_CLIENT_REQUEST_ID, id.clone());
        }
    }
}

/// The headers that even an error has.
pub(crate) fn plain(media_type: MediaType, request_id: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    let media_type = match media_type {
        MediaType::Json => "application/json",
        MediaType::EventStream => "text/event-stream; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(REQUEST_ID, text(request_id));
    headers
}

/// Says when to come again: in milliseconds, and in whole seconds rounded up.
pub(crate) fn add_retry(headers: &mut HeaderMap, retry_after: Option<Duration>) {
    if let Some(wait) = retry_after {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER_MS, millis.into());
        headers.insert(RETRY_AFTER, millis.div_ceil(1_000).into());
    }
}

/// Says that the body is compressed.
pub(crate) fn add_gzip(headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: HeaderValue) {
    headers.insert(HeaderName::from_static(name), value);
}

/// Only for texts of visible ASCII: ids that were made here, and names that the settings' check lets pass.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII is a header's value")
}
