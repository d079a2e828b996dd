//! What the operator lets page files do: where instances may be, and which routes may lie inside another page's.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// The operator's bounds on every page file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Networks that instances may be in.
    pub allowed_networks: Vec<IpNet>,
    /// Patterns, as a page file writes them, that may lie inside another page's.
    pub nested_routes: Vec<String>,
}

/// Every network, no nested route: what a `proxy.toml` that says nothing means.
impl Default for Bounds {
    fn default() -> Self {
        Self { allowed_networks: every_network(), nested_routes: Vec::new() }
    }
}

/// `0.0.0.0/0` and `::/0`.
pub(crate) fn every_network() -> Vec<IpNet> {
    vec![Ipv4Net::default().into(), Ipv6Net::default().into()]
}

impl Bounds {
    /// Whether an instance may be at this address, whether a page file names it or DNS. An IPv4-mapped IPv6 address
    /// (RFC 4291 section 2.5.5.2) is the IPv4 address.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn allows(&self, ip: IpAddr) -> Result<(), String> {
        let ip = ip.to_canonical();
        if let Some(kind) = never_allowed(ip) {
            return Err(format!("{ip} is {kind}, where no instance may be"));
        }
        if self.allowed_networks.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        let networks = self.allowed_networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(format!("{ip} is outside the operator's `allowed_networks` ({networks})"))
    }
}

fn never_allowed(ip: IpAddr) -> Option<&'static str> {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_unspecified() {
        Some("unspecified")
    } else if ip.is_multicast() {
        Some("multicast")
    } else if matches!(ip, IpAddr::V4(ip) if ip.is_broadcast()) {
        Some("broadcast")
    } else if link_local {
        Some("link-local")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_may_be_in_an_allowed_network_but_never_at_a_special_address() {
        let everywhere = Bounds::default();
        let inside = Bounds {
            allowed_networks: ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec(),
            nested_routes: Vec::new(),
        };
        for (ip, anywhere, in_networks) in [
            ("127.0.0.1", Ok(()), Err("outside the operator's `allowed_networks` (10.0.0.0/8, fd00::/8)")),
            ("10.1.2.3", Ok(()), Ok(())),
            ("::ffff:10.1.2.3", Ok(()), Ok(())),
            ("::ffff:11.1.2.3", Ok(()), Err("11.1.2.3 is outside")),
            ("fd00::1", Ok(()), Ok(())),
            ("::1", Ok(()), Err("::1 is outside")),
            ("0.0.0.0", Err("unspecified"), Err("unspecified")),
            ("::", Err("unspecified"), Err("unspecified")),
            ("::ffff:0.0.0.0", Err("unspecified"), Err("unspecified")),
            ("224.0.0.1", Err("multicast"), Err("multicast")),
            ("ff02::1", Err("multicast"), Err("multicast")),
            ("255.255.255.255", Err("broadcast"), Err("broadcast")),
            ("169.254.169.254", Err("link-local"), Err("link-local")),
            ("::ffff:169.254.169.254", Err("link-local"), Err("link-local")),
            ("fe80::1", Err("link-local"), Err("link-local")),
            ("febf::1", Err("link-local"), Err("link-local")),
        ] {
            for (bounds, expected) in [(&everywhere, anywhere), (&inside, in_networks)] {
                match (bounds.allows(ip.parse().unwrap()), expected) {
                    (Ok(()), Ok(())) => {}
                    (Err(reason), Err(says)) => assert!(reason.contains(says), "{ip}: {reason}"),
                    (judged, expected) => panic!("{ip}: {judged:?}, not {expected:?}"),
                }
            }
        }
    }
}
