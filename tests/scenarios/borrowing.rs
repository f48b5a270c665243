//! Two services in one pool: one borrows what the other leaves, and the other never notices.

use anyhow::{bail, ensure};
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

    let mut hammering = JoinSet::new();
    for _ in 0..4 {
        let borrower = borrower.clone();
        hammering.spawn(async move {
            loop {
                if let Err(problem) = borrower.ask(500).await {
                    return problem;
                }
            }
        });
    }
    let (requests, output_tokens) = OWNED;
    for number in 0..requests {
        let answer = owner.ask(output_tokens).await?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(passed(&answer), "request {number} within the guarantee was refused: {body}");
    }
    match hammering.try_join_next() {
        Some(Ok(problem)) => Err(problem.context("the borrower could not ask")),
        _ => Ok(()),
    }
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
