//! `weir debt`: what a service has used above its holds and has not repaid, forgiven by adjustment.

use weir_domain::ids::{PoolId, ServiceId};
use weir_proto::governance::v1::ForgiveDebtRequest;

use crate::client::{self, Quota};
use crate::config::Config;
use crate::{cli, output};

pub(crate) async fn run(config: &Config, command: cli::Debt) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    match command {
        cli::Debt::Forgive { service, pool, reason } => forgive(&mut quota, &service, &pool, reason).await,
    }
}

async fn forgive(
    quota: &mut Quota,
    service: &ServiceId,
    pool: &PoolId,
    reason: String,
) -> anyhow::Result<()> {
    let (pool, service) = (pool.to_string(), service.to_string());
    let said = format!("service {service} in pool {pool}");
    let request = ForgiveDebtRequest {
        author: quota.author.clone(),
        reason,
        pool,
        service,
        ..ForgiveDebtRequest::default()
    };
    let reply = quota.governance.forgive_debt(request).await.map_err(|status| client::said(&status))?;
    let done = if reply.into_inner().changed { "its debt is forgiven" } else { "nothing was owed" };
    output::line(&format!("{said}: {done}"));
    Ok(())
}
