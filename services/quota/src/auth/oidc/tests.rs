//! Tokens good and bad, against keys that are made here and against the examples of RFC 7515.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use weir_domain::access::Role;
use weir_domain::ids::TeamId;

use super::keys::KeySet;
use super::*;
use crate::auth::settings::RoleName;

const NOW_S: i64 = 1_750_000_000;
const NOW: Timestamp = Timestamp::from_secs(NOW_S);

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer's key pair, under a name.
enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    fn es256() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn eddsa() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": b64(x), "y": b64(y) })
            }
            Self::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(key.public_key()) })
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = match self {
            Self::Es256(key) => key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", b64(signature))
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm(), "kid": id, "typ": "JWT" }), claims)
    }
}

fn settings() -> settings::Oidc {
    let roles = [
        ("platform".to_owned(), RoleName::Admin),
        ("leads".to_owned(), RoleName::Lead),
        ("all".to_owned(), RoleName::Viewer),
    ];
    settings::Oidc {
        issuer: "https://login.example.com".into(),
        audience: "weir".into(),
        jwks_url: None,
        name_claim: "email".into(),
        role_claim: "realm_access.roles".into(),
        team_claim: "team".into(),
        roles: roles.into(),
    }
}

fn oidc(keys: &Value) -> Oidc {
    let oidc = Oidc::new(settings());
    oidc.keys.set(KeySet::from_json(keys).unwrap());
    oidc
}

/// The claims of a token that is accepted, with some of them changed; null takes one away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.com",
        "aud": ["weir", "else"],
        "exp": NOW_S + 300,
        "nbf": NOW_S - 10,
        "email": "ada@example.com",
        "realm_access": { "roles": ["all", "leads"] },
        "team": "web",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[test]
fn a_token_says_who_its_bearer_is() {
    for signer in [Signer::es256(), Signer::eddsa()] {
        let oidc = oidc(&json!({ "keys": [signer.jwk("k1")] }));
        let bearer = oidc.verify(&signer.token("k1", &claims(&json!({}))), NOW).unwrap();
        let role = Role::Lead(TeamId::try_new("web").unwrap());
        assert_eq!(bearer.principal, Principal { name: "ada@example.com".into(), role });
        assert_eq!(bearer.until, Timestamp::from_secs(NOW_S + 360));
    }
}

#[test]
fn of_several_roles_the_one_that_may_do_most_counts() {
    let signer = Signer::es256();
    let oidc = oidc(&json!({ "keys": [signer.jwk("k1")] }));
    let role = |roles: Value| {
        let claims = claims(&json!({ "realm_access": { "roles": roles }, "team": null }));
        oidc.verify(&signer.token("k1", &claims), NOW).map(|bearer| bearer.principal.role)
    };
    assert_eq!(role(json!(["all", "leads", "platform"])), Ok(Role::Admin));
    assert_eq!(role(json!("all")), Ok(Role::Viewer));
    assert_eq!(role(json!(["leads"])), Err(TokenRefused::NoTeam { claim: "team".into() }));
    assert_eq!(
        role(json!(["PLATFORM", 7])),
        Err(TokenRefused::NoRole { claim: "realm_access.roles".into() })
    );
}

#[test]
fn what_is_not_right_is_refused_and_says_what() {
    let signer = Signer::es256();
    let oidc = oidc(&json!({ "keys": [signer.jwk("k1")] }));
    let claim = |claim| TokenRefused::Claim { claim };
    #[rustfmt::skip]
    let table = [
        (json!({ "exp": NOW_S - 60 }), TokenRefused::Expired),
        (json!({ "exp": null }), claim("exp")),
        (json!({ "exp": "tomorrow" }), claim("exp")),
        (json!({ "nbf": NOW_S + 61 }), TokenRefused::NotYetValid),
        (json!({ "nbf": "today" }), claim("nbf")),
        (json!({ "iss": "https://evil.example.com" }), claim("iss")),
        (json!({ "iss": null }), claim("iss")),
        (json!({ "aud": "else" }), claim("aud")),
        (json!({ "aud": null }), claim("aud")),
        (json!({ "email": " " }), TokenRefused::NoName { claim: "email".into() }),
        (json!({ "team": "" }), TokenRefused::NoTeam { claim: "team".into() }),
    ];
    for (changes, expected) in table {
        let refused = oidc.verify(&signer.token("k1", &claims(&changes)), NOW).unwrap_err();
        assert_eq!(refused, expected, "{changes}");
    }
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let signer = Signer::es256();
    let oidc = oidc(&json!({ "keys": [signer.jwk("k1")] }));
    for changes in [json!({ "exp": NOW_S - 59 }), json!({ "nbf": NOW_S + 60 }), json!({ "exp": 1.8e9 + 0.5 })]
    {
        assert!(oidc.verify(&signer.token("k1", &claims(&changes)), NOW).is_ok(), "{changes}");
    }
}

#[test]
fn a_signature_of_anybody_else_is_refused() {
    let (issuer, forger) = (Signer::es256(), Signer::es256());
    let oidc = oidc(&json!({ "keys": [issuer.jwk("k1")] }));
    let claims = claims(&json!({}));
    assert_eq!(oidc.verify(&forger.token("k1", &claims), NOW), Err(TokenRefused::Signature));
    let good = issuer.token("k1", &claims);
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let promoted = rest.replace(&b64(claims.to_string()), &b64(claims.to_string().replace("web", "all")));
    assert_eq!(oidc.verify(&format!("{promoted}.{signature}"), NOW), Err(TokenRefused::Signature));
}

#[test]
fn no_algorithm_but_the_keys_own_counts() {
    let (signer, other) = (Signer::es256(), Signer::eddsa());
    let oidc = oidc(&json!({ "keys": [signer.jwk("k1"), other.jwk("k2")] }));
    let claims = claims(&json!({}));
    let unsigned = format!("{}.{}.", b64(json!({ "alg": "none" }).to_string()), b64(claims.to_string()));
    assert_eq!(oidc.verify(&unsigned, NOW), Err(TokenRefused::Malformed));
    for alg in ["none", "HS256", "RS512", "ES384"] {
        let token = signer.sign(&json!({ "alg": alg, "kid": "k1" }), &claims);
        assert_eq!(oidc.verify(&token, NOW), Err(TokenRefused::Malformed), "{alg}");
    }
    let token = signer.sign(&json!({ "alg": "EdDSA", "kid": "k1" }), &claims);
    assert_eq!(oidc.verify(&token, NOW), Err(TokenRefused::UnknownKey));
    let token = signer.sign(&json!({ "alg": "ES256", "kid": "k1", "crit": ["exp"] }), &claims);
    assert_eq!(oidc.verify(&token, NOW), Err(TokenRefused::Malformed));
}

#[test]
fn a_key_in_the_tokens_own_header_is_not_looked_at() {
    let (issuer, forger) = (Signer::es256(), Signer::es256());
    let oidc = oidc(&json!({ "keys": [issuer.jwk("k1")] }));
    let header = json!({ "alg": "ES256", "kid": "k9", "jwk": forger.jwk("k9"), "jku": "http://127.0.0.1/" });
    assert_eq!(oidc.verify(&forger.sign(&header, &claims(&json!({}))), NOW), Err(TokenRefused::UnknownKey));
}

#[test]
fn a_token_that_names_no_key_has_the_only_one() {
    let (one, two) = (Signer::es256(), Signer::es256());
    let token = one.sign(&json!({ "alg": "ES256" }), &claims(&json!({})));
    assert!(oidc(&json!({ "keys": [one.jwk("k1")] })).verify(&token, NOW).is_ok());
    let ambiguous = oidc(&json!({ "keys": [one.jwk("k1"), two.jwk("k2")] }));
    assert_eq!(ambiguous.verify(&token, NOW), Err(TokenRefused::UnknownKey));
}

#[test]
fn keys_that_are_for_something_else_are_left_out() {
    let signer = Signer::es256();
    let mut encrypting = signer.jwk("k1");
    encrypting["use"] = json!("enc");
    let mut stronger = signer.jwk("k1");
    stronger["alg"] = json!("ES384");
    let symmetric = json!({ "kty": "oct", "kid": "k1", "k": b64("secret") });
    let unheard = json!({ "kty": "lattice", "kid": "k1" });
    let oidc = oidc(&json!({ "keys": [encrypting, stronger, symmetric, unheard, 7] }));
    let token = signer.token("k1", &claims(&json!({})));
    assert_eq!(oidc.verify(&token, NOW), Err(TokenRefused::UnknownKey));
}

#[test]
fn before_keys_are_fetched_nobody_knows() {
    let token = Signer::es256().token("k1", &claims(&json!({})));
    assert_eq!(Oidc::new(settings()).verify(&token, NOW), Err(TokenRefused::NoKeys));
}

#[test]
fn what_is_no_token_is_refused() {
    let oidc = oidc(&json!({ "keys": [] }));
    let long = format!("{}.a.b", b64(vec![b'{'; TOKEN_BYTES_MAX]));
    for text in ["", "..", "a.b.c", "a.b", &long] {
        assert_eq!(oidc.verify(text, NOW), Err(TokenRefused::Malformed), "{}", text.len());
    }
}

/// RFC 7515, A.2.
const RS256_KEY: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RS256_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

#[test]
fn rsa_signatures_are_verified() {
    let key = json!({ "kty": "RSA", "n": RS256_KEY, "e": "AQAB" });
    let oidc = oidc(&json!({ "keys": [key] }));
    let key = oidc.keys.find(None, Algorithm::RS256).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    (validation.validate_exp, validation.required_spec_claims) = (false, HashSet::new());
    let claims = jsonwebtoken::decode::<Value>(RS256_TOKEN, &key, &validation).unwrap().claims;
    assert_eq!(claims["iss"], "joe");
    let forged = RS256_TOKEN.replace(".cC4h", ".cC5h");
    assert!(jsonwebtoken::decode::<Value>(forged, &key, &validation).is_err());
    // The whole way, the example is refused for the first thing that is not as this service expects it.
    assert_eq!(oidc.verify(RS256_TOKEN, NOW), Err(TokenRefused::Claim { claim: "aud" }));
}

#[tokio::test(start_paused = true)]
async fn however_many_unknown_keys_are_asked_for_the_issuer_is_asked_once_a_minute() {
    let signer = Signer::es256();
    let oidc = Arc::new(Oidc::new(settings()));
    let fetched = Arc::new(AtomicU32::new(0));
    let (count, set) = (Arc::clone(&fetched), json!({ "keys": [signer.jwk("k1")] }));
    let (refreshed, shutdown) = (Arc::clone(&oidc), CancellationToken::new());
    let stop = shutdown.clone();
    let refresh = async move {
        let fetch = || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(KeySet::from_json(&set).unwrap()))
        };
        refreshed.keys.refresh(fetch, stop).await;
    };
    let asking = async {
        for _ in 0..10 * 60 {
            let _ = oidc.verify(&signer.token("k2", &claims(&json!({}))), NOW);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let busy = fetched.load(Ordering::SeqCst);
        assert!((9..=11).contains(&busy), "{busy} times in ten minutes");
        tokio::time::sleep(Duration::from_hours(2)).await;
        let calm = fetched.load(Ordering::SeqCst) - busy;
        assert!((2..=4).contains(&calm), "{calm} times in two hours");
        shutdown.cancel();
    };
    tokio::join!(refresh, asking);
}

#[tokio::test(start_paused = true)]
async fn the_issuer_may_come_up_later_and_known_keys_outlive_its_absence() {
    let signer = Signer::es256();
    let (oidc, up) = (Oidc::new(settings()), std::cell::Cell::new(false));
    let set = json!({ "keys": [signer.jwk("k1")] });
    let fetch = || {
        let away = || fetch::FetchError::Http { url: "https://a".into(), reason: "away".into() };
        std::future::ready(if up.get() { Ok(KeySet::from_json(&set).unwrap()) } else { Err(away()) })
    };
    let (token, shutdown) = (signer.token("k1", &claims(&json!({}))), CancellationToken::new());
    let story = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(oidc.verify(&token, NOW), Err(TokenRefused::NoKeys));
        up.set(true);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(oidc.verify(&token, NOW).is_ok());
        up.set(false);
        tokio::time::sleep(Duration::from_hours(5)).await;
        assert!(oidc.verify(&token, NOW).is_ok());
        shutdown.cancel();
    };
    tokio::join!(oidc.keys.refresh(fetch, shutdown.clone()), story);
}
