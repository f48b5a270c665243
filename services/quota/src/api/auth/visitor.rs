//! Whoever is at the other end of a connection, and whom they were last known as.
//!
//! Calls of a connection mostly show the same: then nobody looks anew at whose it is, only at whether they are known still.

use std::cell::RefCell;
use std::net::IpAddr;

use http::HeaderValue;
use rustls::pki_types::CertificateDer;

use crate::auth::Caller;

/// The other end of a connection.
pub(in crate::api) struct Visitor {
    address: Option<IpAddr>,
    /// The certificate whose key they have.
    certificate: Option<CertificateDer<'static>>,
    last: RefCell<Option<LastKnown>>,
}

/// Somebody, and the header that they were known by.
struct LastKnown {
    authorization: Option<HeaderValue>,
    caller: Caller,
}

impl Visitor {
    pub(in crate::api) fn new(address: Option<IpAddr>, certificate: Option<CertificateDer<'static>>) -> Self {
        Self { address, certificate, last: RefCell::new(None) }
    }

    pub(super) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(super) const fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// Whoever was last known, if they were by the same header.
    pub(super) fn known_by(&self, authorization: Option<&HeaderValue>) -> Option<Caller> {
        let last = self.last.borrow();
        let known = last.as_ref()?;
        let same = match (authorization, &known.authorization) {
            (Some(shown), Some(before)) => is_same(shown.as_bytes(), before.as_bytes()),
            (None, None) => true,
            _ => false,
        };
        same.then(|| known.caller.clone())
    }

    /// They are somebody, by this header.
    pub(super) fn remember(&self, authorization: Option<&HeaderValue>, caller: &Caller) {
        let (authorization, caller) = (authorization.cloned(), caller.clone());
        *self.last.borrow_mut() = Some(LastKnown { authorization, caller });
    }
}

/// Whether two secrets are the same. How long it takes says nothing but their lengths.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = |sum, (one, other): (&u8, &u8)| sum | (one ^ other);
    one.len() == other.len() && one.iter().zip(other).fold(0, differs) == 0
}
