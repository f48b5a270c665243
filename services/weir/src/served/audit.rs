//! Who decided what, as the command line asks for it.

use clap::Parser;

use super::*;
use crate::audit::ask;
use crate::cli::{Audit, Cli, Command};

fn asked(line: &str) -> Audit {
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Audit(asked) => asked,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_last_decisions_are_told_in_order_of_time_however_many_pages_they_take() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    apply(&mut quota, &demo::sample(SystemClock.now()).unwrap()).await;
    let now = SystemClock.now();
    let all = ask(&mut quota, &asked("weir audit --last 5000"), now).await.unwrap();
    assert!(all.decisions.len() > 10 && all.forgotten_until.is_none());
    assert!(all.decisions.iter().all(|decision| decision.reason == "a test"), "{:?}", all.decisions);
    let last = ask(&mut quota, &asked("weir audit --last 3"), now).await.unwrap();
    assert_eq!(last.decisions, all.decisions[all.decisions.len() - 3..]);
    let care = ask(&mut quota, &asked("weir audit --team care"), now).await.unwrap();
    assert!(care.decisions.iter().any(|decision| decision.what.starts_with("team care: new")));
    assert!(care.decisions.len() < all.decisions.len());
    let future = ask(&mut quota, &asked("weir audit --from +1h"), now).await.unwrap();
    assert_eq!(future.decisions, []);
    served.end().await;
}
