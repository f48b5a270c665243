//! `weir debt`: what a service has used above its holds and has not repaid, forgiven by adjustment.

use weir_domain::ids::{PoolId, ServiceId};
use weir_proto::governance::v1::{ForgiveDebtRequest, ForgiveDebtResponse};

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
    output::line(&format!("{said}: {}", told(reply.get_ref())));
    Ok(())
}

fn told(reply: &ForgiveDebtResponse) -> String {
    match reply.forgiven {
        _ if !reply.changed => "nothing was owed".to_owned(),
        tokens => format!("its debt of {} tokens is forgiven", output::grouped(tokens)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_much_is_forgiven() {
        let told_of = |changed, forgiven| told(&ForgiveDebtResponse { changed, forgiven });
        assert_eq!(told_of(true, 20_500), "its debt of 20 500 tokens is forgiven");
        assert_eq!(told_of(false, 0), "nothing was owed");
    }
}
