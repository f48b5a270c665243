//! How the command line talks to a running quota service.

use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use weir_proto::governance::v1::WhoAmIRequest;
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;

use weir_runtime::client_tls::ClientTls;

use crate::config::Config;
use crate::token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The name of all who hold the admin token.
const SHARED_NAME: &str = "admin";
/// The largest policy that is exported: some 100,000 allocations.
const POLICY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Puts the token, if there is one, on every call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn try_new(token: Option<&SecretString>) -> anyhow::Result<Self> {
        let Some(token) = token else { return Ok(Self(None)) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose_secret())
            .parse()
            .context("the quota token holds a character that no header can carry")?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

/// Both services of a quota service.
pub(crate) struct Quota {
    pub(crate) admission: AdmissionServiceClient<Authorized>,
    pub(crate) governance: GovernanceServiceClient<Authorized>,
    /// In whose name decisions are asked for; empty for whoever the service knows by name.
    pub(crate) author: String,
}

/// Connects to the quota service that the settings name.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Quota> {
    let client = &config.client;
    let token = token::of_caller(&client.quota_tls, config.quota.token.as_ref(), &config.data.dir)?;
    let url = client.quota_url.as_ref().unwrap_or(&config.gateway.quota_url);
    let mut quota = connect_to(url, &client.quota_tls, token.as_ref()).await?;
    let holds_the_generated_token = config.quota.token.is_none() && client.quota_tls.certificate.is_none();
    if !holds_the_generated_token {
        quota.author = author(&mut quota).await;
    }
    Ok(quota)
}

/// Many hold the admin token: who is at the keyboard is told beside it. Whoever has a key or a certificate is that one.
pub(crate) async fn author(quota: &mut Quota) -> String {
    match quota.governance.who_am_i(WhoAmIRequest {}).await {
        Ok(reply) if reply.get_ref().name == SHARED_NAME => crate::login(),
        // Whatever is wrong, the call that was meant says so.
        Ok(_) | Err(_) => String::new(),
    }
}

/// Connects to a quota service.
pub(crate) async fn connect_to(
    url: &str,
    tls: &ClientTls,
    token: Option<&SecretString>,
) -> anyhow::Result<Quota> {
    let parsed =
        Endpoint::from_shared(url.to_owned()).ok().filter(|endpoint| endpoint.uri().scheme().is_some());
    let endpoint = parsed
        .with_context(|| format!("{url:?} is no URL of a quota service; write it as http://127.0.0.1:7070"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    let channel = tls
        .secure(endpoint)?
        .connect()
        .await
        .with_context(|| format!("no quota service answers at {url}; is `weir up` running?"))?;
    let bearer = Bearer::try_new(token)?;
    Ok(Quota {
        admission: AdmissionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        governance: GovernanceServiceClient::with_interceptor(channel, bearer)
            .max_decoding_message_size(POLICY_BYTES_MAX),
        author: crate::login(),
    })
}

/// What a status says, for people. An answer is a sentence of its own; of what is none, who said so and how is told, too.
pub(crate) fn said(status: &Status) -> anyhow::Error {
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Aborted => anyhow::anyhow!("{}", status.message()),
        code => anyhow::anyhow!("the quota service says: {} ({code:?})", status.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_as_it_is_and_an_error_with_who_says_so() {
        assert_eq!(said(&Status::not_found("there is no pool x")).to_string(), "there is no pool x");
        let away = said(&Status::unavailable("not ready")).to_string();
        assert_eq!(away, "the quota service says: not ready (Unavailable)");
    }
}
