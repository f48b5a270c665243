//! The connection to the quota service: one channel for all calls, with the token on each.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

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

/// A channel to this address. Connects later, and again whenever it must.
pub(crate) fn channel(url: &str, token: Option<&SecretString>) -> Result<QuotaChannel, QuotaAddressError> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|source| QuotaAddressError::Url { url: url.to_owned(), source })?
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let token = token.map(bearer).transpose()?;
    Ok(InterceptedService::new(endpoint.connect_lazy(), BearerToken(token)))
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
        let problem = channel("not a url", None).err().unwrap();
        assert!(problem.to_string().contains("not a url"));
    }
}
