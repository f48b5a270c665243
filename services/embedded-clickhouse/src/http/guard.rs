//! Keeps web pages away from the engine.
//!
//! The engine has no access control: whoever reaches it may do everything. Listening on loopback keeps other machines
//! out, but a browser on this machine would still carry requests of any page it shows. Such requests name a foreign
//! origin, or a foreign host that was made to resolve to this machine.

use http::{HeaderMap, Uri};

use crate::exception::{ACCESS_DENIED, Exception};

/// Refuses requests that name a host or an origin beyond this machine.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Exception> {
    for name in ["host", "origin"] {
        let Some(value) = headers.get(name) else { continue };
        let local = value.to_str().ok().and_then(host_of).is_some_and(|host| is_local(&host));
        if !local {
            let text = format_args!("the embedded engine serves this machine only, not {name} {value:?}");
            return Err(Exception::new(ACCESS_DENIED, text));
        }
    }
    Ok(())
}

fn host_of(value: &str) -> Option<String> {
    value.parse::<Uri>().ok()?.host().map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase())
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(name: &'static str, value: &'static str) -> bool {
        check(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])).is_ok()
    }

    #[test]
    fn only_this_machine_passes() {
        assert!(check(&HeaderMap::new()).is_ok());
        for host in ["127.0.0.1:8123", "localhost", "[::1]:80", "LOCALHOST:1"] {
            assert!(passes("host", host), "{host}");
        }
        assert!(passes("origin", "http://localhost:3000"));
        for host in ["evil.example:8123", "192.168.0.1", "127.0.0.1.evil.example"] {
            assert!(!passes("host", host), "{host}");
        }
        for origin in ["https://evil.example", "null"] {
            assert!(!passes("origin", origin), "{origin}");
        }
    }
}
