//! Settings of who may call: `[quota.tls]` and `[quota.auth]` of `weir.toml`.
//!
//! Says what they are and what is wrong with them. Files and secrets named here are read when the service starts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Uri;
use serde::Deserialize;
use weir_domain::access::Role;
use weir_domain::ids::TeamId;
use weir_runtime::config::Problem;
use weir_runtime::secrets::SecretSource;

/// TLS of the gRPC listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tls {
    /// The service's certificate and what it was issued by, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Who issues the certificates that callers may present, in PEM. Without it none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// Who may call, beyond the admin token and the access keys of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// A token that gateways present, which is good for no more than what they need.
    pub node_token: Option<SecretSource>,
    /// Whose certificate gives which role.
    pub certificates: Vec<Holder>,
    /// Whose signed tokens are accepted.
    pub oidc: Option<Oidc>,
}

/// Whoever holds a certificate of a name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Holder {
    /// The common name of the certificate's subject, or one of its alternative names that is a DNS name or a URI.
    pub name: String,
    /// What its holder is.
    pub role: RoleName,
    /// The team of a lead.
    pub team: Option<String>,
}

/// An OpenID Connect issuer of JSON Web Tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Oidc {
    /// Its URL, exactly as its tokens name it.
    pub issuer: String,
    /// What its tokens for Weir are for: their `aud`.
    pub audience: String,
    /// Where its keys are. Without it the issuer's discovery document says so.
    pub jwks_url: Option<String>,
    /// The claim that names a person in every decision.
    #[serde(default = "Oidc::name_claim")]
    pub name_claim: String,
    /// The claim that says what somebody is: one text, or several. `a.b` is `b` within `a`.
    #[serde(default = "Oidc::role_claim")]
    pub role_claim: String,
    /// The claim that names the team of a lead.
    #[serde(default = "Oidc::team_claim")]
    pub team_claim: String,
    /// Which value of the role claim is which role. Of several, the one that may do most counts.
    pub roles: BTreeMap<String, RoleName>,
}

impl Oidc {
    fn name_claim() -> String {
        "sub".to_owned()
    }

    fn role_claim() -> String {
        "roles".to_owned()
    }

    fn team_claim() -> String {
        "team".to_owned()
    }
}

/// A role without its team, the one that may do most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// May do everything.
    Admin,
    /// Decides on bursts and exceptions, and sees everything.
    Approver,
    /// Asks for their team, and sees what concerns it.
    Lead,
    /// Sees everything, changes nothing.
    Viewer,
    /// A gateway.
    Node,
}

impl RoleName {
    /// The role, of a team where it must have one; none if it has none and must.
    pub(super) fn with_team(self, team: Option<&str>) -> Option<Role> {
        Some(match self {
            Self::Admin => Role::Admin,
            Self::Approver => Role::Approver,
            Self::Lead => Role::Lead(TeamId::try_new(team?).ok()?),
            Self::Viewer => Role::Viewer,
            Self::Node => Role::Node,
        })
    }
}

impl Auth {
    /// Whether anybody can prove who they are by these settings.
    pub(super) fn names_anybody(&self) -> bool {
        self.node_token.is_some() || !self.certificates.is_empty() || self.oidc.is_some()
    }

    /// All that is wrong with them.
    pub fn problems(&self, tls: Option<&Tls>) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add =
            |place: String, message: &str| found.push(Problem { place, message: message.to_owned() });
        for (index, holder) in self.certificates.iter().enumerate() {
            let place = |key: &str| format!("quota.auth.certificates[{index}].{key}");
            if holder.name.is_empty() {
                add(place("name"), "is empty; state a name of the certificate");
            }
            if holder.role.with_team(holder.team.as_deref()).is_none() {
                add(place("team"), "is missing or no name; a lead is of a team");
            }
            if holder.role != RoleName::Lead && holder.team.is_some() {
                add(place("team"), "is for leads only; leave it out");
            }
        }
        if !self.certificates.is_empty() && tls.is_none_or(|tls| tls.client_ca.is_none()) {
            add(
                "quota.tls.client_ca".to_owned(),
                "is missing; without it nobody is asked for the certificates of quota.auth.certificates",
            );
        }
        found.extend(self.oidc.iter().flat_map(Oidc::problems));
        found
    }
}

impl Oidc {
    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &str, message: &str| {
            if !holds {
                let (place, message) = (format!("quota.auth.oidc.{key}"), message.to_owned());
                found.push(Problem { place, message });
            }
        };
        let url = "must be an https URL, or an http one of this machine";
        require(is_trustworthy(&self.issuer), "issuer", url);
        require(self.jwks_url.as_deref().is_none_or(is_trustworthy), "jwks_url", url);
        require(!self.audience.is_empty(), "audience", "is empty; a token for anybody is not one for Weir");
        require(!self.name_claim.is_empty(), "name_claim", "is empty; name a claim such as sub or email");
        require(
            !self.role_claim.is_empty(),
            "role_claim",
            "is empty; name the claim that says what somebody is",
        );
        require(
            !self.roles.is_empty(),
            "roles",
            "is empty, so nobody would be anything; map values of the claim",
        );
        found
    }
}

/// Whether what a URL gives is what its owner meant: over TLS, or from this machine.
pub(super) fn is_trustworthy(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    match (uri.scheme_str(), host) {
        (Some("https"), Some(_)) | (Some("http"), Some("localhost")) => true,
        (Some("http"), Some(host)) => host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc(issuer: &str) -> Oidc {
        Oidc {
            issuer: issuer.into(),
            audience: "weir".into(),
            jwks_url: None,
            name_claim: "sub".into(),
            role_claim: "roles".into(),
            team_claim: "team".into(),
            roles: [("platform".to_owned(), RoleName::Admin)].into(),
        }
    }

    #[test]
    fn keys_are_fetched_over_tls_or_from_this_machine() {
        for good in
            ["https://login.example.com/", "http://127.0.0.1:8080", "http://[::1]/x", "http://localhost:1"]
        {
            assert_eq!(oidc(good).problems(), [], "{good}");
        }
        for bad in ["http://login.example.com", "login.example.com", "ftp://127.0.0.1", "", "http://10.0.0.1"]
        {
            assert_eq!(oidc(bad).problems()[0].place, "quota.auth.oidc.issuer", "{bad}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let holder = |name: &str, role, team: Option<&str>| Holder {
            name: name.into(),
            role,
            team: team.map(Into::into),
        };
        let certificates = vec![
            holder("", RoleName::Lead, None),
            holder("gateway", RoleName::Node, Some("web")),
            holder("ada", RoleName::Lead, Some("web")),
        ];
        let oidc = Oidc { roles: BTreeMap::new(), audience: String::new(), ..oidc("https://a") };
        let auth = Auth { node_token: None, certificates, oidc: Some(oidc) };
        let places: Vec<_> = auth.problems(None).into_iter().map(|problem| problem.place).collect();
        assert_eq!(
            places,
            [
                "quota.auth.certificates[0].name",
                "quota.auth.certificates[0].team",
                "quota.auth.certificates[1].team",
                "quota.tls.client_ca",
                "quota.auth.oidc.audience",
                "quota.auth.oidc.roles",
            ]
        );
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        const TEXT: &str = r#"
            [auth]
            node_token = { env = "WEIR_NODE_TOKEN" }
            [[auth.certificates]]
            name = "spiffe://example.com/Gateway"
            role = "lead"
            team = "web"
            [auth.oidc]
            issuer = "https://login.example.com/v2.0"
            audience = "weir"
            roles = { "Weir.Admin" = "admin", "viewers" = "viewer" }
        "#;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("weir.toml"), TEXT).unwrap();
        let mut settings = weir_runtime::config::Settings::load(Some(&dir.path().join("weir.toml"))).unwrap();
        let auth: Auth = settings.section("auth");
        assert_eq!(settings.finish(), Ok(()));
        assert_eq!(auth.certificates[0].name, "spiffe://example.com/Gateway");
        let oidc = auth.oidc.unwrap();
        assert_eq!((oidc.name_claim.as_str(), oidc.role_claim.as_str()), ("sub", "roles"));
        assert_eq!(oidc.roles.get("Weir.Admin"), Some(&RoleName::Admin), "{:?}", oidc.roles);
    }
}
