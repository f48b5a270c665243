//! A small HTTP client for the command line and for demo traffic.

use std::time::Duration;

use anyhow::{Context, bail};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Talks plain HTTP to Weir's own ports on this machine.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Fetches a text; anything but success is an error that says what came instead.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<String> {
        let (status, text) = self.ask(url).await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {text}");
        }
        Ok(text)
    }

    /// Fetches a text, whatever it is.
    pub(crate) async fn ask(&self, url: &str) -> anyhow::Result<(StatusCode, String)> {
        let request =
            Request::get(url).body(Full::default()).with_context(|| format!("{url:?} is not a URL"))?;
        let response = tokio::time::timeout(TIMEOUT, self.0.request(request))
            .await
            .with_context(|| format!("{url} did not answer within {} s", TIMEOUT.as_secs()))?
            .with_context(|| format!("nothing answers at {url}; is `weir up` running?"))?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(|| format!("{url} broke off"))?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    /// Sends a JSON body as a caller would.
    pub(crate) async fn post(
        &self,
        url: &str,
        key: &str,
        json: &serde_json::Value,
    ) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Full::from(json.to_string()))?;
        Ok(self.0.request(request).await?)
    }
}
