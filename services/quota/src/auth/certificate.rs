//! Who a client's certificate says that they are.
//!
//! That an accepted authority issued it, and that its holder has its key, was checked in the handshake.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use weir_domain::access::Principal;

use super::settings::Holder;

/// `id-at-commonName`, 2.5.4.3, as DER has it: ITU-T X.520, 6.2.2.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// Tags of DER: ITU-T X.690, 8.
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The names that give a role.
#[derive(Debug, Default)]
pub(super) struct Certificates(Vec<(String, Arc<Principal>)>);

impl Certificates {
    /// Takes the names of the settings, which have been checked.
    pub(super) fn new(holders: &[Holder]) -> Self {
        let principal = |holder: &Holder| {
            let role = holder.role.with_team(holder.team.as_deref())?;
            Some((holder.name.clone(), Arc::new(Principal { name: holder.name.clone(), role })))
        };
        Self(holders.iter().filter_map(principal).collect())
    }

    /// Whoever holds the certificate; otherwise its names, none of which is known.
    pub(super) fn principal(&self, certificate: &CertificateDer<'_>) -> Result<Arc<Principal>, Vec<String>> {
        let names = names(certificate).unwrap_or_default();
        let known = self.0.iter().find(|(name, _)| names.contains(name));
        known.map(|(_, principal)| Arc::clone(principal)).ok_or(names)
    }
}

/// The subject's common names, and the alternative names that are DNS names or URIs.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let alternative = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    Some(common_names(certificate.subject()).into_iter().chain(alternative.map(str::to_owned)).collect())
}

/// The common names of a subject, which is a sequence of sets of (type, value): RFC 5280, 4.1.2.4.
fn common_names(subject: &[u8]) -> Vec<String> {
    let subject = match element(subject) {
        Some((SEQUENCE, inside, [])) => inside,
        _ => subject,
    };
    let attributes = elements(subject, SET).flat_map(|set| elements(set, SEQUENCE));
    attributes.filter_map(common_name).collect()
}

fn common_name(attribute: &[u8]) -> Option<String> {
    let (tag, kind, value) = element(attribute)?;
    let (_, text, _) = element(value)?;
    let is_name = tag == OBJECT_IDENTIFIER && kind == COMMON_NAME;
    is_name.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

/// The elements of a tag, up to the first that has another or is cut off.
fn elements(mut der: &[u8], wanted: u8) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (tag, inside, rest) = element(der)?;
        der = rest;
        (tag == wanted).then_some(inside)
    })
}

/// The first element: its tag, what is in it, and what follows it. Lengths of up to 64 KB.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((*tag, inside, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::settings::RoleName;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};
    use weir_domain::access::Role;

    fn certificate(common_name: &str, alternatives: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "Weir".repeat(50));
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = alternatives;
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_has_the_names_of_its_subject_and_its_alternative_names() {
        let alternatives = vec![
            SanType::DnsName("gateway-1.example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/gateway".try_into().unwrap()),
        ];
        let certificate = certificate("gateway-1", alternatives);
        assert_eq!(
            names(&certificate).unwrap(),
            ["gateway-1", "gateway-1.example.com", "spiffe://example.com/gateway"]
        );
    }

    #[test]
    fn only_a_name_of_the_settings_is_somebody() {
        let holder = Holder { name: "gateway-1".into(), role: RoleName::Node, team: None };
        let known = Certificates::new(&[holder]);
        assert_eq!(known.principal(&certificate("gateway-1", vec![])).unwrap().role, Role::Node);
        assert_eq!(known.principal(&certificate("gateway-10", vec![])).unwrap_err(), ["gateway-10"]);
        assert_eq!(known.principal(&CertificateDer::from(vec![0x30, 0x82])).unwrap_err(), [""; 0]);
    }

    #[test]
    fn what_is_cut_off_has_no_name() {
        let whole = [0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, b'a', b'b'];
        assert_eq!(common_names(&whole), ["ab"]);
        for length in 0..whole.len() {
            assert_eq!(common_names(&whole[..length]), [""; 0], "{length}");
        }
    }
}
