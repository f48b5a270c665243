//! What a gateway's slip has charged is forgiven by an admin, and stays so.

use tonic::Code;
use weir_proto::governance::v1::{ForgiveDebtRequest, ListDecisionsRequest};

use crate::support::*;

fn forgive(service: &str, pool: &str) -> ForgiveDebtRequest {
    ForgiveDebtRequest {
        author: "ada".into(),
        reason: "a gateway sent bytes for tokens".into(),
        pool: pool.into(),
        service: service.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_debt_of_years_is_forgiven_once_and_survives_a_new_start() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 300).await;
    assert!(charged(&mut client, settle(&hold, 1 << 39)).await);
    service.advance(3_600);
    let owed = service.headroom("chat").await.debt;
    assert!(owed > 1 << 38);
    assert!(!admitted(&mut client, reserve(&service.reservation(2), 10)).await);
    let mut governance = service.governance().await;
    let forgiven = governance.forgive_debt(forgive("chat", "gpt")).await.unwrap().into_inner();
    assert_eq!((forgiven.changed, forgiven.forgiven), (true, owed));
    let records = service.journal_records().await;
    assert!(!governance.forgive_debt(forgive("chat", "gpt")).await.unwrap().into_inner().changed);
    assert_eq!(service.journal_records().await, records, "nothing is owed, so nothing is recorded");
    let service = service.restart().await;
    assert_eq!(service.headroom("chat").await.debt, 0);
    let request = ListDecisionsRequest { service: "chat".into(), page_size: 1, ..Default::default() };
    let told = service.governance().await.list_decisions(request).await.unwrap().into_inner();
    let told = &told.decisions[0];
    assert_eq!(told.what, format!("service chat in pool gpt: its debt of {owed} tokens is forgiven"));
    assert_eq!((told.pool.as_str(), told.service.as_str(), told.author.as_str()), ("gpt", "chat", "ada"));
    service.advance(10);
    let mut client = service.admission().await;
    assert!(admitted(&mut client, reserve(&service.reservation(3), 500)).await);
    service.stop().await;
}

#[tokio::test]
async fn whose_debt_is_not_known_is_named() {
    let service = Service::start().await.with_policy().await;
    let mut governance = service.governance().await;
    let nobody = governance.forgive_debt(forgive("nobody", "gpt")).await.unwrap_err();
    assert_eq!((nobody.code(), nobody.message()), (Code::NotFound, "there is no service named nobody"));
    let nowhere = governance.forgive_debt(forgive("chat", "o1")).await.unwrap_err();
    assert_eq!((nowhere.code(), nowhere.message()), (Code::NotFound, "pool o1: the pool is not defined"));
    service.stop().await;
}
