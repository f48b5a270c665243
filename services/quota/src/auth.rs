//! Who calls, and what they may do.
//!
//! Somebody is known by a certificate, by a token of the settings, by an access key of the organisation, or by a signed
//! token of an issuer, looked for in this order. Which role may do what is the domain's business; which method asks for
//! what is in [`rules`]. Nothing here waits.

mod caller;
mod certificate;
pub(crate) mod guards;
mod node;
mod oidc;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod tls;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use weir_domain::access::{Principal, Role};
use weir_domain::directory::KeyHash;
use weir_domain::org::Org;
use weir_runtime::clock::Clock;
use weir_runtime::config::Problem;
use weir_runtime::secrets::SecretError;
use weir_runtime::tasks::Tasks;

use caller::KnownBy;
pub(crate) use caller::{Caller, Owner};
use certificate::Certificates;
use oidc::{Oidc, TokenRefused};
use settings::{Auth, Tls};

/// The name of whoever has the admin token, or is on this machine while there is none. They say whom they act for.
const ADMIN: &str = "admin";
/// The name of every gateway that has the node token.
const NODE: &str = "node";

/// Why nobody can be authenticated by the settings.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// They contradict themselves.
    #[error("settings are not right: {}", .0.iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Problem>),
    /// The node token cannot be had.
    #[error("quota.auth.node_token")]
    NodeToken(#[from] SecretError),
}

/// What a call shows of its caller.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    /// Where it comes from.
    pub(crate) peer: Option<IpAddr>,
    /// The certificate whose key the caller has.
    pub(crate) certificate: Option<&'a CertificateDer<'a>>,
    /// What stands after `authorization: Bearer`.
    pub(crate) bearer: Option<&'a str>,
}

/// Why it is not known who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("present a token or an access key as `authorization: Bearer …`, or a certificate that is known")]
    NothingShown,
    #[error("no token is set, so calls are accepted from this machine only")]
    Elsewhere,
    #[error("the certificate is for {}; add one of its names to quota.auth.certificates", Quoted(.names))]
    Certificate { names: Vec<String> },
    #[error("the token is not known: it is wrong, or it was revoked or has expired")]
    Bearer,
    #[error("the token is not accepted: {0}")]
    Token(#[from] TokenRefused),
}

impl Unknown {
    /// Whether the same may be accepted in a moment.
    pub(crate) fn may_pass_soon(&self) -> bool {
        matches!(self, Self::Token(TokenRefused::NoKeys))
    }
}

struct Quoted<'a>(&'a [String]);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody by name");
        }
        f.write_str(&self.0.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
    }
}

/// By what people, gateways and whoever has the admin token are known.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) auth: &'a Auth,
    pub(crate) tls: Option<&'a Tls>,
    /// The admin token, if there is one.
    pub(crate) admin: Option<&'a SecretString>,
}

/// Finds out who calls.
pub(crate) struct Authenticator {
    /// SHA-256 of tokens: digests are compared, so that the time it takes tells nothing of them.
    tokens: Vec<([u8; 32], Caller)>,
    /// Whoever is on this machine, while nothing is set by which anybody could be known.
    this_machine: Option<Caller>,
    certificates: Certificates,
    oidc: Option<Arc<Oidc>>,
    org: Arc<ArcSwap<Org>>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Takes what it is given.
    pub(crate) fn open(
        given: Given<'_>,
        org: Arc<ArcSwap<Org>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthError> {
        let Given { auth, tls, admin } = given;
        let problems = auth.problems(tls);
        if !problems.is_empty() {
            return Err(AuthError::Settings(problems));
        }
        let mut tokens = Vec::new();
        tokens.extend(admin.map(|token| (digest(token.expose_secret()), admin_by(KnownBy::AdminToken))));
        if let Some(source) = &auth.node_token {
            let principal = Principal { name: NODE.to_owned(), role: Role::Node };
            let node = Caller::new(Arc::new(principal), KnownBy::NodeToken);
            tokens.push((digest(source.fetch()?.expose_secret()), node));
        }
        let closed = admin.is_some() || auth.names_anybody();
        Ok(Self {
            tokens,
            this_machine: (!closed).then(|| admin_by(KnownBy::ThisMachine)),
            certificates: Certificates::new(&auth.certificates),
            oidc: auth.oidc.clone().map(Oidc::new).map(Arc::new),
            org,
            clock,
        })
    }

    /// Keeps what authentication rests on fresh until shutdown.
    pub(crate) fn keep_fresh(&self, tasks: &Tasks, shutdown: CancellationToken) {
        if let Some(oidc) = &self.oidc {
            tasks.spawn(Arc::clone(oidc).refresh(shutdown));
        }
    }

    /// Whoever it is.
    pub(crate) fn identify(&self, shown: &Shown<'_>) -> Result<Caller, Unknown> {
        let certified = shown.certificate.map(|certificate| self.certificates.principal(certificate));
        match (certified, shown.bearer) {
            (Some(Ok(principal)), _) => Ok(Caller::new(principal, KnownBy::Certificate)),
            (_, Some(token)) => self.bearer(token),
            (Some(Err(names)), None) => Err(Unknown::Certificate { names }),
            (None, None) => match &self.this_machine {
                Some(local) if shown.peer.is_some_and(is_this_machine) => Ok(local.clone()),
                Some(_) => Err(Unknown::Elsewhere),
                None => Err(Unknown::NothingShown),
            },
        }
    }

    /// Whether somebody who was known is so still, for calls that go on.
    pub(crate) fn is_still_known(&self, caller: &Caller) -> bool {
        match caller.known_by() {
            KnownBy::AccessKey(hash) => {
                self.org.load().principal_of(hash, self.clock.now()).as_ref() == Some(caller.principal())
            }
            KnownBy::Token { until } => self.clock.now() < *until,
            KnownBy::AdminToken | KnownBy::NodeToken | KnownBy::ThisMachine | KnownBy::Certificate => true,
        }
    }

    /// Whether somebody who was known by what they show again is known without another look at that. Not by a signed token:
    /// its issuer may have taken the key back.
    pub(crate) fn knows_again(&self, caller: &Caller) -> bool {
        !matches!(caller.known_by(), KnownBy::Token { .. }) && self.is_still_known(caller)
    }

    fn bearer(&self, token: &str) -> Result<Caller, Unknown> {
        let (digest, now) = (digest(token), self.clock.now());
        if let Some((_, caller)) = self.tokens.iter().find(|(known, _)| *known == digest) {
            return Ok(caller.clone());
        }
        let hash = KeyHash::new(digest);
        if let Some(principal) = self.org.load().principal_of(&hash, now) {
            return Ok(Caller::new(Arc::new(principal), KnownBy::AccessKey(hash)));
        }
        let Some(oidc) = self.oidc.as_ref().filter(|_| looks_signed(token)) else {
            return Err(Unknown::Bearer);
        };
        let bearer = oidc.verify(token, now)?;
        Ok(Caller::new(Arc::new(bearer.principal), KnownBy::Token { until: bearer.until }))
    }
}

fn admin_by(known_by: KnownBy) -> Caller {
    Caller::new(Arc::new(Principal { name: ADMIN.to_owned(), role: Role::Admin }), known_by)
}

/// Whether a token has the three parts of a signed one: RFC 7515, 3.1.
fn looks_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn is_this_machine(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests;
