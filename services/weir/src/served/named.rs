//! In whose name the command line asks for decisions.

use weir_domain::access::{AccessKey, Role};
use weir_proto::codec;
use weir_proto::governance::v1::{CreateAccessKeyRequest, ListBurstsRequest};

use super::*;
use crate::{bursts, client};

const LEADS_KEY: &str = "weir_access_of-lea";

/// The key of a lead of the team that asks for the demo's burst.
fn leads_key() -> AccessKey {
    AccessKey {
        id: "lea".parse().unwrap(),
        hash: crate::secret_text::hash(LEADS_KEY),
        role: Role::Lead("care".parse().unwrap()),
        expires: None,
    }
}

#[tokio::test]
async fn whoever_has_a_key_asks_in_its_name_whoever_is_logged_in() {
    let served = Served::start(Config::default()).await;
    let mut admin = served.client().await;
    let now = SystemClock.now();
    apply(&mut admin, &demo::sample(now).unwrap()).await;
    let key = Some(codec::access_key_to_wire(&leads_key()));
    let reason = "a test".to_owned();
    let author = admin.author.clone();
    let create = CreateAccessKeyRequest { author, key, reason, ..CreateAccessKeyRequest::default() };
    admin.governance.create_access_key(create).await.unwrap();
    assert_eq!(client::author(&mut admin).await, crate::login());

    let url = format!("http://127.0.0.1:{}", served.port);
    let mut lead = connect_to(&url, &ClientTls::default(), Some(&LEADS_KEY.to_owned().into())).await.unwrap();
    lead.author = client::author(&mut lead).await;
    let wanted = demo::waiting_burst(now).unwrap();
    let wanted = weir_domain::burst::Burst { requester: lead.author.clone(), ..wanted };
    assert!(bursts::request(&mut lead, &wanted, String::new()).await.unwrap().changed);
    let listed = lead.governance.list_bursts(ListBurstsRequest::default()).await.unwrap().into_inner();
    let requester = listed.bursts[0].burst.as_ref().unwrap().requester.clone();
    assert_eq!(requester, "lea");
    served.end().await;
}
