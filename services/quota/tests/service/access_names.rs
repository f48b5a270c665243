//! Names of access keys in what was decided: for every role, whatever the decision is about.

use weir_proto::governance::v1 as wire;

use crate::people::*;
use crate::roles::CALLERS;
use crate::support::Service;

/// All that somebody is told of decisions, where their role tells them any.
async fn told_of_decisions(person: &mut Person) -> Vec<wire::Decision> {
    let request = wire::ListDecisionsRequest { page_size: 1_000, ..Default::default() };
    person
        .governance
        .list_decisions(request)
        .await
        .map_or_else(|_| Vec::new(), |it| it.into_inner().decisions)
}

/// Access keys are made, revoked, and open nothing any more because their team is gone, which comes back with another lead.
async fn with_access_keys_that_came_and_went() -> Service {
    let service = organisation().await;
    let mut ada = Person::named(&service, "ada").await;
    let by_ada = |request| wire::CreateAccessKeyRequest { author: String::new(), ..request };
    for (name, role, team) in [("omar", wire::Role::Lead, "ops"), ("vera", wire::Role::Viewer, "")] {
        ada.governance.create_access_key(by_ada(access_key(name, role, team))).await.unwrap();
    }
    let revoke =
        wire::RevokeAccessKeyRequest { reason: "left".into(), id: "vera".into(), ..Default::default() };
    ada.governance.revoke_access_key(revoke).await.unwrap();
    for policy in [policy_without("ops"), policy()] {
        let applying = wire::ApplyPolicyRequest { author: String::new(), ..applying(policy) };
        ada.governance.apply_policy(applying).await.unwrap();
    }
    service
}

#[tokio::test]
async fn names_of_access_keys_are_told_to_admins_alone_whatever_a_decision_is_about() {
    let service = with_access_keys_that_came_and_went().await;
    for name in CALLERS {
        let mut person = match name {
            "" => Person::with(&service, "").await,
            name => Person::named(&service, name).await,
        };
        let whats: Vec<_> = told_of_decisions(&mut person).await.into_iter().map(|it| it.what).collect();
        let is_word = |what: &str, key: &str| what.split([' ', ',', ':', ';']).any(|word| word == key);
        let names = |key: &str| whats.iter().any(|what| is_word(what, key));
        for key in ["grace", "wendy", "olga", "omar", "vera", "gateway-1", "victor"] {
            assert_eq!(names(key), name == "ada", "{key} is told to {name:?}: {whats:#?}");
        }
        let gone = whats.iter().find(|what| what.starts_with("team ops: removed"));
        let expected = match name {
            "ada" => Some("team ops: removed; access keys olga, omar may open nothing more"),
            "grace" | "victor" | "olga" => Some("team ops: removed"),
            _ => None,
        };
        assert_eq!(gone.map(String::as_str), expected, "{name:?}");
    }
    service.stop().await;
}
