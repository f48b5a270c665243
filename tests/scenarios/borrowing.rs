//! Two services in one pool: one borrows what the other leaves, and the other never notices.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use tokio::task::JoinSet;

use crate::stage::{Caller, Shared, passed};

/// Each takes nearly as much at once as the borrower may.
const OUTPUT_TOKENS: u64 = 4_900;
/// The borrower's guarantee is 5,000 deep, and the idle pool has 40,000 beyond all guarantees.
const BORROWED_MIN: u64 = 30_000;
/// Far more than fit, however fast the pool refills meanwhile.
const REQUESTS_MAX: u64 = 60;
/// Together less than the owner's guarantee has when nothing was taken of it.
const OWNED: (usize, u64) = (20, 650);

pub(crate) async fn a_service_borrows_what_others_leave_and_never_their_guarantee(
    shared: Shared,
) -> anyhow::Result<()> {
    let stage = shared.enter().await?;
    let borrower = stage.caller("borrower", "shared-model")?;
    let owner = stage.caller("owner", "shared-model")?;
    let taken = take_all(&borrower).await?;
    ensure!(taken >= BORROWED_MIN, "only {taken} tokens were let through");

    let refused = Arc::new(AtomicUsize::new(0));
    let mut hammering: JoinSet<anyhow::Result<Infallible>> = JoinSet::new();
    for _ in 0..4 {
        let (borrower, refused) = (borrower.clone(), Arc::clone(&refused));
        hammering.spawn(async move {
            loop {
                let answer = borrower.ask(500).await?;
                refused.fetch_add(usize::from(!passed(&answer)), Ordering::Relaxed);
            }
        });
    }
    let (requests, output_tokens) = OWNED;
    for number in 0..requests {
        let answer = owner.ask(output_tokens).await?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(passed(&answer), "request {number} within the guarantee was refused: {body}");
    }
    if let Some(ended) = hammering.try_join_next() {
        ended?.context("the borrower could not ask")?;
    }
    let refused = refused.load(Ordering::Relaxed);
    ensure!(refused > requests, "the borrower was refused only {refused} times, so the pool was not used up");
    Ok(())
}

/// Asks until others leave no more; how many tokens that was.
async fn take_all(borrower: &Caller) -> anyhow::Result<u64> {
    let mut taken = 0;
    for _ in 0..REQUESTS_MAX {
        let answer = borrower.ask(OUTPUT_TOKENS).await?;
        if !passed(&answer) {
            let body = String::from_utf8_lossy(&answer.body);
            ensure!(body.contains("others leave"), "refused by something else: {body}");
            return Ok(taken);
        }
        taken += OUTPUT_TOKENS;
    }
    bail!("{taken} tokens were let through, more than the pool has")
}
