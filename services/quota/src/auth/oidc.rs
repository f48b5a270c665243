//! Who a signed token of an OpenID Connect issuer says that its bearer is: RFC 7519, and RFC 8725 on what to refuse.
//!
//! Only the issuer's own keys count, each for the one algorithm that it is for; whatever a token's header says of keys
//! elsewhere is not looked at. Never waits: keys are fetched in the background (see [`keys`]).

mod claims;
mod fetch;
mod keys;
mod signature;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation};
use tokio_util::sync::CancellationToken;
use weir_domain::access::Principal;
use weir_domain::time::Timestamp;

use super::settings;
use claims::Claims;
use keys::Keys;

/// How far the issuer's clock and this one may be apart.
const LEEWAY: Duration = Duration::from_mins(1);
/// Longer than any issuer's tokens, and what one header may hold.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Verifies the tokens of an issuer.
pub(super) struct Oidc {
    settings: settings::Oidc,
    keys: Keys,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefused {
    /// It is no token, or signed in a way that is not accepted.
    #[error("it is not a JSON Web Token signed with RS256, ES256 or EdDSA")]
    Malformed,
    /// No key of the issuer has been fetched yet.
    #[error("the issuer's keys have not been fetched yet; ask again")]
    NoKeys,
    /// None of the issuer's keys is the one that it names.
    #[error(
        "it is signed with a key that the issuer does not list; the list is fetched again within a minute"
    )]
    UnknownKey,
    /// The signature is not that of the issuer's key.
    #[error("its signature is not the issuer's")]
    Signature,
    /// It is from somebody else, for something else, or says neither.
    #[error("its {claim} is missing or another than expected")]
    Claim {
        /// Which of its claims.
        claim: &'static str,
    },
    /// Its time is over.
    #[error("it has expired; get a new one")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet; check the issuer's clock and this one's")]
    NotYetValid,
    /// It does not say who its bearer is.
    #[error("its claim {claim}, which names its bearer, is missing, empty or too long")]
    NoName {
        /// The claim's name.
        claim: String,
    },
    /// No value of the role claim is mapped to a role.
    #[error("its claim {claim} has no value that is a role here; map one in quota.auth.oidc.roles")]
    NoRole {
        /// The claim's name.
        claim: String,
    },
    /// It is a lead's, and its team is missing or no name.
    #[error("it is a lead's, and its claim {claim} is missing or not the name of a team")]
    NoTeam {
        /// The claim's name.
        claim: String,
    },
}

/// Whoever bears a token, and until when that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) principal: Principal,
    pub(super) until: Timestamp,
}

impl Oidc {
    pub(super) fn new(settings: settings::Oidc) -> Self {
        signature::install();
        Self { settings, keys: Keys::default() }
    }

    /// Keeps the issuer's keys fresh until shutdown.
    pub(super) async fn refresh(self: Arc<Self>, shutdown: CancellationToken) {
        match fetch::Fetcher::new(&self.settings) {
            Ok(fetcher) => self.keys.refresh(|| fetcher.fetch(), shutdown).await,
            Err(problem) => tracing::error!(%problem, "keys of the issuer can never be fetched"),
        }
    }

    /// Verifies a token and says who bears it.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefused::Malformed)?;
        // Whoever does not understand an extension that a header marks as critical must refuse: RFC 7515, 4.1.11.
        if !keys::ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(TokenRefused::Malformed);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg)?;
        let claims = jsonwebtoken::decode(token, &key, &self.validation(header.alg));
        let claims = Claims(claims.map_err(|problem| refused(&problem))?.claims);
        let until = claims.check_time(now, LEEWAY)?;
        Ok(Bearer { principal: claims.principal(&self.settings)?, until })
    }

    /// Times are checked against the service's own clock, in [`Claims::check_time`].
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::from(["iss", "aud", "exp"].map(str::to_owned));
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation
    }
}

fn refused(problem: &jsonwebtoken::errors::Error) -> TokenRefused {
    use jsonwebtoken::errors::ErrorKind;
    match problem.kind() {
        ErrorKind::InvalidSignature => TokenRefused::Signature,
        ErrorKind::InvalidIssuer => TokenRefused::Claim { claim: "iss" },
        ErrorKind::InvalidAudience => TokenRefused::Claim { claim: "aud" },
        ErrorKind::MissingRequiredClaim(claim) => {
            let known = ["iss", "aud", "exp"].into_iter().find(|known| known == claim);
            TokenRefused::Claim { claim: known.unwrap_or("claims") }
        }
        _ => TokenRefused::Malformed,
    }
}
