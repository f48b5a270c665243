//! How the command line talks to a running quota service.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;

use crate::config::{Client, Config};
use crate::token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest policy that is exported: some 100,000 allocations.
const POLICY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Puts the token on every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    fn try_new(token: &SecretString) -> anyhow::Result<Self> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose_secret())
            .parse()
            .context("the quota token holds a character that no header can carry")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

/// Both services of a quota service.
pub(crate) struct Quota {
    pub(crate) admission: AdmissionServiceClient<Authorized>,
    pub(crate) governance: GovernanceServiceClient<Authorized>,
}

/// Connects to the quota service that the settings name.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Quota> {
    let token = token::find(config.quota.token.as_ref(), &config.data.dir)?;
    let url = config.client.quota_url.as_ref().unwrap_or(&config.gateway.quota_url);
    connect_to(url, &config.client, &token).await
}

/// Connects to a quota service.
pub(crate) async fn connect_to(url: &str, client: &Client, token: &SecretString) -> anyhow::Result<Quota> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url:?} is not a URL of a quota service"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    let endpoint = if url.starts_with("https:") { endpoint.tls_config(tls(client)?)? } else { endpoint };
    let channel = endpoint
        .connect()
        .await
        .with_context(|| format!("no quota service answers at {url}; is `weir up` running?"))?;
    let bearer = Bearer::try_new(token)?;
    Ok(Quota {
        admission: AdmissionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        governance: GovernanceServiceClient::with_interceptor(channel, bearer)
            .max_decoding_message_size(POLICY_BYTES_MAX),
    })
}

/// Whom to trust and what to present, by the settings.
fn tls(client: &Client) -> anyhow::Result<ClientTlsConfig> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let ca_file = client.ca_file.as_deref();
    let ca = read(ca_file.context("the URL is https; set client.ca_file to whom to trust (PEM)")?)?;
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let (Some(certificate), Some(key)) = (&client.certificate, &client.key) else { return Ok(config) };
    Ok(config.identity(Identity::from_pem(read(certificate)?, read(key)?)))
}

/// What a status says, for people.
pub(crate) fn said(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("the quota service says: {} ({:?})", status.message(), status.code())
}
