//! Where a page file says that instances are: an address, or a name that DNS resolves to any number of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One entry of `instances`; [`fmt::Display`] gives it as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstanceSource {
    /// One instance.
    Address(SocketAddr),
    /// `dns:name:port`: one instance at each address that the name has.
    Dns {
        /// An absolute name, with or without the trailing dot.
        name: String,
        /// The port of all of them.
        port: u16,
    },
}

impl fmt::Display for InstanceSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Dns { name, port } => write!(out, "dns:{name}:{port}"),
        }
    }
}

impl InstanceSource {
    /// Reads one entry of `instances`.
    ///
    /// # Errors
    /// What is wrong, with the entry.
    pub fn parse(written: &str) -> Result<Self, String> {
        if let Some(rest) = written.strip_prefix("dns:") {
            return parse_dns(rest).map_err(|reason| format!("`{written}`: {reason}"));
        }
        let address: SocketAddr = written.parse().map_err(|_| {
            format!("`{written}` is no address: want `127.0.0.1:4101`, `[::1]:4101` or `dns:name.example:8080`")
        })?;
        if address.port() == 0 {
            return Err(format!("`{written}`: an instance can't be reached at port 0"));
        }
        Ok(Self::Address(address))
    }

    /// The same for two entries that mean the same instances.
    pub(crate) fn meaning(&self) -> Self {
        match self {
            Self::Address(address) => Self::Address(SocketAddr::new(address.ip().to_canonical(), address.port())),
            Self::Dns { name, port } => {
                Self::Dns { name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), port: *port }
            }
        }
    }
}

fn parse_dns(rest: &str) -> Result<InstanceSource, String> {
    if is_ip(rest) {
        return Err("an IP address is written without `dns:`, and with a port".to_owned());
    }
    let (name, port) = rest.rsplit_once(':').ok_or("want `dns:name.example:8080`")?;
    if is_ip(name) {
        return Err("an IP address is written without `dns:`".to_owned());
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or("the port is a number from 1 to 65535")?;
    check_name(name)?;
    Ok(InstanceSource::Dns { name: name.to_owned(), port })
}

fn is_ip(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.strip_suffix('.').unwrap_or(bare).parse::<IpAddr>().is_ok()
}

/// A host name (RFC 1123 section 2.1, RFC 1035 section 2.3.4).
fn check_name(name: &str) -> Result<(), String> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.is_empty() || bare.len() > 253 {
        return Err("a name has 1 to 253 bytes".to_owned());
    }
    for label in bare.split('.') {
        let ends = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let fits = label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !fits || !ends(label.bytes().next()) || !ends(label.bytes().last()) {
            return Err(format!("`{label}` is no label of a name: 1 to 63 letters, digits and inner dashes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_an_address_or_a_dns_name_with_a_port() {
        for written in ["127.0.0.1:4101", "[::1]:65535", "dns:checkout.shop:8080", "dns:Checkout.:1", "dns:1a.b-c:9"] {
            assert_eq!(InstanceSource::parse(written).unwrap().to_string(), written);
        }
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(InstanceSource::parse(&format!("dns:{longest}.:80")).is_ok());
        assert!(InstanceSource::parse(&format!("dns:{longest}a:80")).unwrap_err().contains("1 to 253"));
        for (written, says) in [
            ("nowhere", "is no address"),
            ("checkout.shop:8080", "or `dns:name.example:8080`"),
            ("127.0.0.1:0", "port 0"),
            ("dns:", "want `dns:name.example:8080`"),
            ("dns::80", "1 to 253"),
            ("dns:.:80", "1 to 253"),
            ("dns:shop", "want `dns:name.example:8080`"),
            ("dns:shop:0", "from 1 to 65535"),
            ("dns:shop:65536", "from 1 to 65535"),
            ("dns:shop:+80", "from 1 to 65535"),
            ("dns:shop:", "from 1 to 65535"),
            ("dns:shop..x:80", "`` is no label"),
            ("dns:shop..:80", "`` is no label"),
            ("dns:-shop:80", "`-shop` is no label"),
            ("dns:shop-.x:80", "`shop-` is no label"),
            ("dns:my_shop:80", "`my_shop` is no label"),
            ("dns:caf\u{e9}:80", "is no label"),
            ("dns:shop.x y:80", "is no label"),
            ("dns:10.0.0.1:80", "without `dns:`"),
            ("dns:10.0.0.1.:80", "without `dns:`"),
            ("dns:10.0.0.1", "without `dns:`"),
            ("dns:[::1]:80", "without `dns:`"),
            ("dns:::1:80", "without `dns:`"),
            ("dns:[::1]", "without `dns:`"),
        ] {
            let reason = InstanceSource::parse(written).unwrap_err();
            assert!(reason.contains(says) && reason.contains(written), "{written}: {reason}");
        }
        let long = format!("dns:{}:80", "a".repeat(64));
        assert!(InstanceSource::parse(&long).unwrap_err().contains("1 to 63"));
    }

    #[test]
    fn two_ways_to_write_one_instance_mean_the_same() {
        for (one, other) in [("dns:Shop:80", "dns:shop.:80"), ("[::ffff:10.0.0.1]:80", "10.0.0.1:80")] {
            let meaning = |written| InstanceSource::parse(written).unwrap().meaning();
            assert_eq!(meaning(one), meaning(other));
        }
    }
}
