//! Caller keys, access keys and the directory over the wire.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::governance::v1 as wire;

use crate::people::*;
use crate::support::s;

#[tokio::test]
async fn watchers_see_the_directory_now_and_after_every_change() {
    let service = organisation().await;
    let mut gateway = Person::named(&service, "gateway-1").await;
    let request = wire::WatchDirectoryRequest { node: "gateway-1".into() };
    let mut stream = gateway.governance.watch_directory(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.services[1].pools, ["gpt"]);
    assert_eq!(first.keys.len(), 0);

    let mut wendy = Person::named(&service, "wendy").await;
    let key = wire::CallerKey {
        human: "Wendy".into(),
        models: vec!["gpt-4o".into()],
        ..caller_key("chat-1", "chat").key.unwrap()
    };
    let create = wire::CreateCallerKeyRequest { key: Some(key.clone()), ..caller_key("chat-1", "chat") };
    assert!(wendy.governance.create_caller_key(create).await.unwrap().into_inner().created);
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(second.keys, [key]);
    assert!(second.version > first.version);

    let revoke =
        wire::RevokeCallerKeyRequest { reason: "left".into(), id: "chat-1".into(), ..Default::default() };
    assert!(wendy.governance.revoke_caller_key(revoke.clone()).await.unwrap().into_inner().revoked);
    assert!(!wendy.governance.revoke_caller_key(revoke).await.unwrap().into_inner().revoked);
    assert_eq!(stream.message().await.unwrap().unwrap().keys.len(), 0);
    service.stop().await;
    assert!(stream.message().await.is_ok_and(|end| end.is_none()), "a watch ends with the service");
}

#[tokio::test]
async fn keys_outlive_a_restart_and_their_names_are_never_used_again() {
    let service = organisation().await;
    let mut wendy = Person::named(&service, "wendy").await;
    wendy.governance.create_caller_key(caller_key("chat-1", "chat")).await.unwrap();
    let service = service.restart().await;
    let mut wendy = Person::named(&service, "wendy").await;
    let listed =
        wendy.governance.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.keys[0].sha256, sha256("chat-1"));
    let mut create = async |id: &str, secret: &str| {
        let mut request = caller_key(id, "chat");
        request.key.as_mut().unwrap().sha256 = sha256(secret);
        wendy.governance.create_caller_key(request).await.map(|created| created.into_inner().created)
    };
    assert!(!create("chat-1", "chat-1").await.unwrap());
    assert_eq!(create("chat-1", "another").await.unwrap_err().code(), Code::AlreadyExists);
    let taken = create("chat-2", "chat-1").await.unwrap_err();
    assert_eq!(taken.get_details_bad_request().unwrap().field_violations[0].field, "key.sha256");
    service.stop().await;
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap() {
    let service = organisation().await;
    let mut wendy = Person::named(&service, "wendy").await;
    wendy.governance.create_caller_key(caller_key("chat-1", "chat")).await.unwrap();
    let rotate = wire::RotateCallerKeyRequest {
        reason: "quarterly".into(),
        id: "chat-1".into(),
        new_id: "chat-2".into(),
        new_sha256: sha256("chat-2"),
        old_expires: Some(s(600)),
        ..Default::default()
    };
    assert!(wendy.governance.rotate_caller_key(rotate.clone()).await.unwrap().into_inner().rotated);
    assert!(!wendy.governance.rotate_caller_key(rotate.clone()).await.unwrap().into_inner().rotated);
    let keys =
        wendy.governance.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner().keys;
    let expiries: Vec<_> = keys.into_iter().map(|key| (key.id, key.expires)).collect();
    assert_eq!(expiries, [("chat-1".to_owned(), Some(s(600))), ("chat-2".to_owned(), None)]);
    let short = wire::RotateCallerKeyRequest { new_sha256: vec![1], ..rotate };
    let short = wendy.governance.rotate_caller_key(short).await.unwrap_err();
    assert_eq!(short.get_details_bad_request().unwrap().field_violations[0].field, "new_sha256");
    service.stop().await;
}

#[tokio::test]
async fn an_access_key_is_made_once_and_its_name_is_never_used_again() {
    let service = organisation().await;
    let mut ada = Person::named(&service, "ada").await;
    let make =
        |role, team| wire::CreateAccessKeyRequest { author: String::new(), ..access_key("new", role, team) };
    let create = make(wire::Role::Lead, "web");
    assert!(ada.governance.create_access_key(create.clone()).await.unwrap().into_inner().created);
    assert!(!ada.governance.create_access_key(create).await.unwrap().into_inner().created);
    let other = ada.governance.create_access_key(make(wire::Role::Admin, "")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    let keys =
        ada.governance.list_access_keys(wire::ListAccessKeysRequest {}).await.unwrap().into_inner().keys;
    assert_eq!(keys.len(), PEOPLE.len() + 1);
    let service = service.restart().await;
    let mut new = Person::named(&service, "new").await;
    assert_eq!(new.who().await.unwrap().team, "web");
    let mut ada = Person::named(&service, "ada").await;
    let nobody = wire::CreateAccessKeyRequest {
        author: String::new(),
        ..access_key("x", wire::Role::Lead, "unheard")
    };
    let nobody = ada.governance.create_access_key(nobody).await.unwrap_err();
    assert_eq!(nobody.get_details_bad_request().unwrap().field_violations[0].field, "key.team");
    service.stop().await;
}
