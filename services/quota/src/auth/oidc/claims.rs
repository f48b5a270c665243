//! What a token says of its bearer.

use std::time::Duration;

use serde_json::{Map, Value};
use weir_domain::access::Principal;
use weir_domain::time::Timestamp;

use super::TokenRefused;
use crate::auth::settings::{self, RoleName};

/// More than any name that people sign decisions with; a longer one is no name.
const NAME_BYTES_MAX: usize = 256;

/// The claims of a token whose signature, issuer and audience are right.
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// Whether the token counts now, and until when.
    pub(super) fn check_time(&self, now: Timestamp, leeway: Duration) -> Result<Timestamp, TokenRefused> {
        let until = self.time("exp").ok_or(TokenRefused::Claim { claim: "exp" })?.plus(leeway);
        if until <= now {
            return Err(TokenRefused::Expired);
        }
        match self.0.get("nbf").map(|_| self.time("nbf")) {
            Some(None) => Err(TokenRefused::Claim { claim: "nbf" }),
            Some(Some(begins)) if begins > now.plus(leeway) => Err(TokenRefused::NotYetValid),
            _ => Ok(until),
        }
    }

    /// Who the bearer is: the strongest of their roles.
    pub(super) fn principal(&self, settings: &settings::Oidc) -> Result<Principal, TokenRefused> {
        let name = self.find(&settings.name_claim).and_then(Value::as_str).unwrap_or_default().trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(TokenRefused::NoName { claim: settings.name_claim.clone() });
        }
        let no_role = || TokenRefused::NoRole { claim: settings.role_claim.clone() };
        let role = self.role(settings).ok_or_else(no_role)?;
        let team = self.find(&settings.team_claim).and_then(Value::as_str);
        let no_team = || TokenRefused::NoTeam { claim: settings.team_claim.clone() };
        let role = role.with_team(team).ok_or_else(no_team)?;
        Ok(Principal { name: name.to_owned(), role })
    }

    fn role(&self, settings: &settings::Oidc) -> Option<RoleName> {
        let values = match self.find(&settings.role_claim)? {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let named = values.iter().filter_map(Value::as_str);
        named.filter_map(|value| settings.roles.get(value)).min().copied()
    }

    /// A claim of this very name, or by a path of names.
    fn find(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(self.0.get(first)?, |value, key| value.get(key))
    }

    /// A number of seconds since 1970, maybe with a fraction, which is left out: RFC 7519, 2.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time beyond what 64 bits hold is as good as the last one"
    )]
    fn time(&self, claim: &str) -> Option<Timestamp> {
        let value = self.0.get(claim)?;
        let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))?;
        Some(Timestamp::from_secs(seconds))
    }
}
