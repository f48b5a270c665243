//! The connection to the quota service: one channel for all calls, with the token on each.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use weir_runtime::client_tls::ClientTlsError;

use crate::config::Config;

/// A quota node that does not answer a ping is given up after these: the next call goes to a new connection.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls to quota go through this. Clones share the connection, which is made when it is first needed.
pub(crate) type QuotaChannel = InterceptedService<Channel, BearerToken>;

/// Why there can be no channel.
#[derive(Debug, thiserror::Error)]
pub enum QuotaAddressError {
    /// The address is no URL.
    #[error("gateway.quota_url {url:?} is not a URL such as \"http://127.0.0.1:7070\"")]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        #[source]
        source: tonic::transport::Error,
    },
    /// TLS cannot be had.
    #[error("gateway.quota_tls")]
    Tls(#[from] ClientTlsError),
    /// The token has characters that no header may have.
    #[error("the token for the quota service has characters that cannot be sent")]
    Token,
}

/// Puts the token on every call.
#[derive(Clone)]
pub(crate) struct BearerToken(Option<MetadataValue<Ascii>>);

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A channel to the service of the settings. Connects later, and again whenever it must.
pub(crate) fn channel(
    config: &Config,
    token: Option<&SecretString>,
) -> Result<QuotaChannel, QuotaAddressError> {
    let url = &config.quota_url;
    let endpoint = Endpoint::from_shared(url.clone())
        .map_err(|source| QuotaAddressError::Url { url: url.clone(), source })?
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let endpoint = config.quota_tls.secure(endpoint)?;
    let token = token.map(bearer).transpose()?;
    Ok(InterceptedService::new(endpoint.connect_lazy(), BearerToken(token)))
}

/// Whether quota can be asked although it gave no answer: it says that it does not know us, or does not understand what is
/// asked. Then somebody must look at the settings, and what is for an outage does not apply.
pub(crate) fn can_be_asked(problem: &Status) -> bool {
    matches!(
        problem.code(),
        Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
    )
}

/// What a status says, with all that caused it: of a connection that fails, the status itself says nothing.
pub(crate) fn said(problem: &Status) -> String {
    let mut text = problem.message().to_owned();
    let mut source = std::error::Error::source(problem);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn bearer(token: &SecretString) -> Result<MetadataValue<Ascii>, QuotaAddressError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| QuotaAddressError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_token_is_on_every_call_and_in_no_log() {
        let mut token = BearerToken(Some(bearer(&"s3cret".to_owned().into()).unwrap()));
        let request = token.call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer s3cret");
        assert!(!format!("{:?}", request.metadata()).contains("s3cret"));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        let problem =
            channel(&Config { quota_url: "not a url".to_owned(), ..Config::default() }, None).err().unwrap();
        assert!(problem.to_string().contains("not a url"));
    }
}
