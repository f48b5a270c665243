//! `weir headroom`: what a service could use now, and why not more.

use weir_proto::codec;
use weir_proto::quota::v1::{GetHeadroomRequest, Headroom};

use crate::config::Config;
use crate::{client, output};

pub(crate) async fn run(config: &Config, service: String, pool: Option<String>) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let request = GetHeadroomRequest { service: service.clone(), pool: pool.unwrap_or_default() };
    let reply = quota.admission.get_headroom(request).await.map_err(|status| client::said(&status))?;
    let allocations = reply.into_inner().allocations;
    if allocations.is_empty() {
        anyhow::bail!("service {service} has no allocation; see your policy folder, then `weir apply`");
    }
    for allocation in &allocations {
        output::line(&text(&service, allocation));
    }
    Ok(())
}

/// One allocation, explained.
fn text(service: &str, headroom: &Headroom) -> String {
    let standing = headroom.standing.unwrap_or_default();
    let mut lines = vec![
        format!("{service} in pool {}", headroom.pool),
        format!(
            "  available now   {} of {} tokens",
            output::grouped(standing.available),
            output::grouped(standing.depth)
        ),
        format!(
            "  guaranteed      {} tokens a minute (baseline {})",
            output::grouped(standing.rate_per_minute),
            output::grouped(headroom.baseline_per_minute)
        ),
        format!("  largest request {} tokens", output::grouped(headroom.request_max)),
        format!("  held            {} tokens by {} requests", output::grouped(headroom.held), headroom.holds),
        format!("  settled so far  {} tokens", output::grouped(headroom.settled_total)),
        format!(
            "  the pool        {} of {} tokens, {} a minute",
            output::grouped(headroom.pool_level),
            output::grouped(headroom.pool_depth),
            output::grouped(headroom.pool_capacity_per_minute)
        ),
    ];
    for burst in &headroom.bursts {
        let end = codec::timestamp_from_wire(burst.end.as_ref(), "end")
            .map_or_else(|_| "?".to_owned(), codec::rfc3339);
        let extra = output::grouped(burst.extra_per_minute);
        lines.push(format!("  burst {} adds {extra} tokens a minute until {end}", burst.id));
    }
    if headroom.debt > 0 {
        lines.push(format!(
            "  debt            {} tokens, repaid by the next refill",
            output::grouped(headroom.debt)
        ));
    }
    if let Some(full) = standing.full_after.as_ref().map(codec::duration_from_wire) {
        lines.push(format!("  full again      in {:.1} s, if nothing else arrives", full.as_secs_f64()));
    }
    lines.join("\n")
}
