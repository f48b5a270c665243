//! How the command line talks to a running quota service.

use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;

use crate::config::Config;
use crate::token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

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
    connect_to(&config.gateway.quota_url, &token).await
}

/// Connects to a quota service.
pub(crate) async fn connect_to(url: &str, token: &SecretString) -> anyhow::Result<Quota> {
    let channel = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url:?} is not a URL of a quota service"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .connect()
        .await
        .with_context(|| format!("no quota service answers at {url}; is `weir up` running?"))?;
    let bearer = Bearer::try_new(token)?;
    Ok(Quota {
        admission: AdmissionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        governance: GovernanceServiceClient::with_interceptor(channel, bearer),
    })
}

/// What a status says, for people.
pub(crate) fn said(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("the quota service says: {} ({:?})", status.message(), status.code())
}
