//! What is held, as the command line asks for it.

use clap::Parser;
use weir_proto::quota::v1::{ReserveRequest, SettleRequest, reserve_response};

use super::*;
use crate::cli::{Cli, Command, Holds};
use crate::holds::ask;

fn asked(line: &str) -> Holds {
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Holds(asked) => asked,
        other => panic!("{other:?}"),
    }
}

async fn hold(quota: &mut Quota, number: u128) -> String {
    let ms = u128::try_from(SystemClock.now().as_millis()).unwrap();
    let reservation = weir_domain::ids::ReservationId::new(ms << 80 | 7 << 76 | number);
    let (service, pool) = ("shop-assistant".to_owned(), "chat".to_owned());
    let reservation_id = reservation.to_string();
    let request = ReserveRequest { reservation_id, service, pool, tokens: 100, ..ReserveRequest::default() };
    match quota.admission.reserve(request).await.unwrap().into_inner().decision {
        Some(reserve_response::Decision::Admitted(admitted)) => admitted.hold_id,
        refused => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn what_is_held_is_told_from_the_oldest_on_until_it_is_settled() {
    let began = SystemClock.now();
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    apply(&mut quota, &demo::sample(SystemClock.now()).unwrap()).await;
    let first = hold(&mut quota, 1).await;
    for number in 2..=5 {
        hold(&mut quota, number).await;
    }
    let told = ask(&mut quota, &asked("weir holds --first 3")).await.unwrap();
    assert_eq!((told.holds.len(), told.more, &told.holds[0].hold_id), (3, true, &first));
    assert_eq!((told.holds[0].node.as_str(), told.holds[0].tokens), ("admin", 100));
    let (service, pool) = ("shop-assistant".to_owned(), "chat".to_owned());
    let settle = SettleRequest { hold_id: first, service, pool, used: 60, ..SettleRequest::default() };
    assert!(quota.admission.settle(settle).await.unwrap().into_inner().charged);
    let told = ask(&mut quota, &asked("weir holds --service shop-assistant --pool chat")).await.unwrap();
    assert_eq!((told.holds.len(), told.more), (4, false));
    let old = ask(&mut quota, &asked("weir holds --older-than 30s")).await.unwrap();
    assert_eq!(old.holds, []);
    assert!(old.known_since.is_some_and(|since| since >= began), "that nothing so old can be known is told");
    let nosuch = ask(&mut quota, &asked("weir holds --service nosuch")).await.err().unwrap();
    assert_eq!(nosuch.to_string(), "there is no service named nosuch");
    served.end().await;
}
