//! Names that the command line makes for keys that nobody has named.

use clap::Parser;
use weir_proto::governance::v1::ListCallerKeysRequest;

use super::*;
use crate::cli::{Cli, Command};
use crate::keys;

async fn typed(quota: &mut Quota, line: &str, now: weir_domain::time::Timestamp) {
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Keys(command) => keys::carry_out(quota, command, now).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn names(quota: &mut Quota) -> Vec<String> {
    let listed = quota.governance.list_caller_keys(ListCallerKeysRequest {}).await.unwrap().into_inner();
    listed.keys.into_iter().map(|key| key.id).collect()
}

#[tokio::test]
async fn ten_keys_of_one_instant_are_made_and_rotated_without_a_name() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let now = SystemClock.now();
    apply(&mut quota, &demo::sample(now).unwrap()).await;
    for _ in 0..10 {
        typed(&mut quota, "weir keys create shop-assistant", now).await;
    }
    let made = names(&mut quota).await;
    assert_eq!(made.len(), 10);
    for name in &made {
        typed(&mut quota, &format!("weir keys rotate {name}"), now).await;
    }
    let all = names(&mut quota).await;
    assert_eq!(all.len(), 20);
    assert!(all.iter().all(|name| name.len() == "shop-assistant-".len() + 8), "{all:?}");
    typed(&mut quota, "weir keys create shop-assistant --name night", now).await;
    for _ in 0..10 {
        typed(&mut quota, "weir keys rotate night", now).await;
    }
    assert_eq!(names(&mut quota).await.len(), 31);
    served.end().await;
}
