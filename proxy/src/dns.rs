//! The instances behind a name: what the DNS servers say of it, and what is to be believed of that.
//!
//! A failed or negative answer never takes the last instances away: nobody means "no instances" by a name that can't be
//! resolved. There is no cache but the one set of addresses that each name keeps; when to look again is in the answer.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use pagefleet_config::Dns;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Asks the DNS servers of the settings, else those of the system.
pub struct Resolver {
    settings: Dns,
    /// Not there before it is needed, and after a failure, so that a `resolv.conf` that changes is read again.
    asking: Mutex<Option<TokioResolver>>,
}

/// What the servers said of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Its A records.
    pub v4: Family,
    /// Its AAAA records.
    pub v6: Family,
}

/// What the servers said of one name and one kind of address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// At least one address.
    Found {
        /// As in the answer.
        addresses: Vec<IpAddr>,
        /// The smallest of the answer, CNAMEs on the way included.
        ttl: Duration,
    },
    /// The name exists without such records, or does not exist.
    None,
    /// No server gave an answer that can be used; why.
    Failed(String),
}

impl Resolver {
    /// Asks as `settings` say. No packet is sent yet.
    ///
    /// # Errors
    /// When no resolver can be made of the settings.
    pub fn new(settings: &Dns) -> Result<Self, String> {
        // The system's servers may be wrong now and right when a page first names a `dns:` instance.
        let asking = if settings.servers.is_empty() { None } else { Some(build(settings)?) };
        Ok(Self { settings: settings.clone(), asking: Mutex::new(asking) })
    }

    /// Asks for both kinds of address at once, within the settings' timeout. The name is absolute, with or without the
    /// trailing dot: no search domain is tried, nor the hosts file.
    pub async fn lookup(&self, name: &str) -> Lookup {
        let failed = |reason: String| Lookup { v4: Family::Failed(reason.clone()), v6: Family::Failed(reason) };
        let resolver = match self.resolver() {
            Ok(resolver) => resolver,
            Err(reason) => return failed(reason),
        };
        let Ok(mut name) = Name::from_ascii(name) else { return failed("no name that DNS can hold".to_owned()) };
        name.set_fqdn(true);
        let (v4, v6) = tokio::join!(
            self.ask(&resolver, name.clone(), RecordType::A),
            self.ask(&resolver, name.clone(), RecordType::AAAA)
        );
        let no_answer = |family: &Family| matches!(family, Family::Failed(_));
        if self.settings.servers.is_empty() && (no_answer(&v4) || no_answer(&v6)) {
            *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Lookup { v4, v6 }
    }

    fn resolver(&self) -> Result<TokioResolver, String> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let resolver = asking.take().map_or_else(|| build(&self.settings), Ok)?;
        *asking = Some(resolver.clone());
        Ok(resolver)
    }

    async fn ask(&self, resolver: &TokioResolver, name: Name, kind: RecordType) -> Family {
        match tokio::time::timeout(self.settings.timeout, resolver.lookup(name, kind)).await {
            Err(_) => Family::Failed(self.no_answer_in_time()),
            Ok(Err(error)) => self.without_records(&error),
            Ok(Ok(lookup)) => {
                let records = lookup.answers();
                let asked_for = records.iter().filter(|record| record.record_type() == kind);
                let addresses = asked_for.filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>();
                let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
                if addresses.is_empty() {
                    return Family::None;
                }
                Family::Found { addresses, ttl: Duration::from_secs(ttl.into()) }
            }
        }
    }

    fn without_records(&self, error: &NetError) -> Family {
        match error {
            NetError::Dns(DnsError::NoRecordsFound(answer))
                if matches!(answer.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
            {
                Family::None
            }
            NetError::Dns(DnsError::ResponseCode(code)) => Family::Failed(format!("the server answers `{code}`")),
            NetError::Timeout => Family::Failed(self.no_answer_in_time()),
            other => Family::Failed(other.to_string()),
        }
    }

    fn no_answer_in_time(&self) -> String {
        format!("no answer within {} ms", self.settings.timeout.as_millis())
    }
}

fn build(settings: &Dns) -> Result<TokioResolver, String> {
    let wrong = |error: NetError| format!("the system's DNS servers are not known: {error}");
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(wrong)?
    } else {
        let servers = settings.servers.iter().map(server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // Two rounds within the timeout: the second one begins with the servers that did not fail in the first.
    options.timeout = settings.timeout / 2;
    options.attempts = 1;
    builder.build().map_err(|error| error.to_string())
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port).into())
}

/// The addresses that are believed of one name: sorted, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// What follows from a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// When to look again, from now.
    pub next: Duration,
    /// Why the addresses, or some, are the last good ones.
    pub problem: Option<String>,
}

impl Known {
    /// All addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.iter().chain(&self.v6).copied()
    }

    /// Believes what was found. A family that failed keeps its last good addresses; one without records becomes empty if
    /// the other one has some; if neither has, nothing changes.
    pub fn learn(&mut self, lookup: Lookup, settings: &Dns) -> Learned {
        let ttl = |family: &Family| match family {
            Family::Found { ttl, .. } => Some(*ttl),
            Family::None | Family::Failed(_) => None,
        };
        let problem = problem(&lookup);
        let next = [&lookup.v4, &lookup.v6].into_iter().filter_map(ttl).min().filter(|_| problem.is_none());
        if ttl(&lookup.v4).or(ttl(&lookup.v6)).is_some() {
            believe(&mut self.v4, lookup.v4);
            believe(&mut self.v6, lookup.v6);
        }
        Learned { next: next.unwrap_or_default().max(settings.min_ttl).min(settings.max_ttl), problem }
    }
}

fn believe(known: &mut Vec<IpAddr>, family: Family) {
    match family {
        Family::Found { addresses, .. } => *known = BTreeSet::from_iter(addresses).into_iter().collect(),
        Family::None => known.clear(),
        Family::Failed(_) => {}
    }
}

fn problem(lookup: &Lookup) -> Option<String> {
    match (&lookup.v4, &lookup.v6) {
        (Family::Failed(v4), Family::Failed(v6)) if v4 == v6 => Some(v4.clone()),
        (Family::Failed(v4), Family::Failed(v6)) => Some(format!("IPv4: {v4}; IPv6: {v6}")),
        (Family::Failed(reason), _) => Some(format!("IPv4: {reason}")),
        (_, Family::Failed(reason)) => Some(format!("IPv6: {reason}")),
        (Family::None, Family::None) => Some("the name has no address".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, MessageType};
    use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
    use hickory_resolver::proto::rr::{RData, Record};
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn settings(servers: &[SocketAddr]) -> Dns {
        Dns { servers: servers.to_vec(), timeout: TIMEOUT, ..Dns::default() }
    }

    /// A DNS server that answers each UDP query with these bytes, and each TCP query with those.
    async fn server(
        udp: impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static,
        tcp: impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static,
    ) -> SocketAddr {
        let (socket, listener) = loop {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
                break (socket, listener);
            }
        };
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut query = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                if let Some(answer) = udp(&Message::from_vec(&query[..length]).unwrap()) {
                    socket.send_to(&answer, client).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                while let Ok(length) = stream.read_u16().await {
                    let mut query = vec![0; length.into()];
                    stream.read_exact(&mut query).await.unwrap();
                    let Some(answer) = tcp(&Message::from_vec(&query).unwrap()) else { break };
                    stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        address
    }

    fn answer(query: &Message, code: ResponseCode, records: Vec<Record>) -> Message {
        let mut answer = query.clone();
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.response_code = code;
        answer.add_answers(records);
        answer
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// The records that a zone has for a query.
    fn zone(query: &Message) -> Vec<Record> {
        let asked = &query.queries[0];
        let shop = |data| vec![Record::from_rdata(name("shop."), 20, data)];
        match (asked.name().to_ascii().to_lowercase().as_str(), asked.query_type()) {
            ("shop.", RecordType::A) => shop(RData::A(A::new(10, 0, 0, 1))),
            ("shop.", RecordType::AAAA) => shop(RData::AAAA(AAAA::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))),
            ("alias.", RecordType::A) => vec![
                Record::from_rdata(name("alias."), 3, RData::CNAME(CNAME(name("shop.")))),
                Record::from_rdata(name("shop."), 20, RData::A(A::new(10, 0, 0, 1))),
            ],
            // Its target is left to be asked for.
            ("alias.", _) => vec![Record::from_rdata(name("alias."), 3, RData::CNAME(CNAME(name("shop."))))],
            ("stuffed.", RecordType::A) => vec![
                Record::from_rdata(name("stuffed."), 3, RData::A(A::new(10, 0, 0, 1))),
                Record::from_rdata(name("stuffed."), 3, RData::AAAA(AAAA::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))),
            ],
            ("loop.", _) => vec![Record::from_rdata(name("loop."), 3, RData::CNAME(CNAME(name("loop."))))],
            _ => Vec::new(),
        }
    }

    fn bytes(message: &Message) -> Option<Vec<u8>> {
        Some(message.to_vec().unwrap())
    }

    fn nothing(_: &Message) -> Option<Vec<u8>> {
        None
    }

    async fn lookup(servers: &[SocketAddr], name: &str) -> Lookup {
        let start = Instant::now();
        let lookup = Resolver::new(&settings(servers)).unwrap().lookup(name).await;
        assert!(start.elapsed() < TIMEOUT + Duration::from_millis(500), "{:?}", start.elapsed());
        lookup
    }

    fn found(address: &str, ttl: u64) -> Family {
        Family::Found { addresses: vec![address.parse().unwrap()], ttl: Duration::from_secs(ttl) }
    }

    #[tokio::test]
    async fn a_name_has_addresses_of_both_kinds_and_the_smallest_ttl_on_the_way() {
        let server = server(|query| bytes(&answer(query, ResponseCode::NoError, zone(query))), nothing).await;
        for (name, ttl) in [("shop", 20), ("shop.", 20), ("SHOP", 20), ("alias", 3)] {
            let expected = Lookup { v4: found("10.0.0.1", ttl), v6: found("fd00::1", ttl) };
            assert_eq!(lookup(&[server], name).await, expected, "{name}");
        }
        let one_kind = Lookup { v4: found("10.0.0.1", 3), v6: Family::None };
        assert_eq!(lookup(&[server], "stuffed").await, one_kind);
        for name in ["gone", "loop"] {
            assert_eq!(lookup(&[server], name).await, Lookup { v4: Family::None, v6: Family::None }, "{name}");
        }
    }

    #[tokio::test]
    async fn each_lookup_asks_again() {
        let count = std::sync::atomic::AtomicU8::new(0);
        let numbered = move |query: &Message| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let record = Record::from_rdata(name("shop."), 60, RData::A(A::new(10, 0, 0, number)));
            let records = if query.queries[0].query_type() == RecordType::A { vec![record] } else { Vec::new() };
            bytes(&answer(query, ResponseCode::NoError, records))
        };
        let resolver = Resolver::new(&settings(&[server(numbered, nothing).await])).unwrap();
        let (first, second) = (resolver.lookup("shop").await, resolver.lookup("shop").await);
        assert!(matches!(&first.v4, Family::Found { .. }) && first.v4 != second.v4, "{first:?} {second:?}");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_used_is_told() {
        let code = |code| move |query: &Message| bytes(&answer(query, code, Vec::new()));
        let garbage = |query: &Message| Some([&query.metadata.id.to_be_bytes()[..], &[0xff; 30]].concat());
        let foreign = |query: &Message| {
            let mut answer = answer(query, ResponseCode::NoError, zone(query));
            answer.metadata.id = query.metadata.id.wrapping_add(1);
            bytes(&answer)
        };
        let none = "None";
        for (server, says) in [
            (server(code(ResponseCode::NXDomain), nothing).await, none),
            (server(code(ResponseCode::NoError), nothing).await, none),
            (server(code(ResponseCode::ServFail), nothing).await, "the server answers `Server Failure`"),
            (server(code(ResponseCode::Refused), nothing).await, "the server answers `Query Refused`"),
            (server(garbage, nothing).await, "protocol error"),
            (server(foreign, nothing).await, "no answer within 1000 ms"),
            (server(nothing, nothing).await, "no answer within 1000 ms"),
        ] {
            let lookup = lookup(&[server], "shop").await;
            for family in [&lookup.v4, &lookup.v6] {
                match family {
                    Family::Failed(reason) => assert!(reason.contains(says), "{reason}"),
                    Family::None => assert_eq!(says, none),
                    Family::Found { .. } => panic!("{lookup:?}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_truncated_answer_is_asked_for_again_over_tcp() {
        let truncated = |query: &Message| {
            let mut answer = answer(query, ResponseCode::NoError, Vec::new());
            answer.metadata.truncation = true;
            bytes(&answer)
        };
        let whole = server(truncated, |query| bytes(&answer(query, ResponseCode::NoError, zone(query)))).await;
        let expected = Lookup { v4: found("10.0.0.1", 20), v6: found("fd00::1", 20) };
        assert_eq!(lookup(&[whole], "shop").await, expected);
        let never = lookup(&[server(truncated, truncated).await], "shop").await;
        assert!(matches!((&never.v4, &never.v6), (Family::Failed(_), Family::Failed(_))), "{never:?}");
    }

    #[tokio::test]
    async fn silent_servers_before_the_one_that_answers_do_not_stop_it() {
        let (one, two) = (server(nothing, nothing).await, server(nothing, nothing).await);
        let last = server(|query| bytes(&answer(query, ResponseCode::NoError, zone(query))), nothing).await;
        let expected = Lookup { v4: found("10.0.0.1", 20), v6: found("fd00::1", 20) };
        assert_eq!(lookup(&[one, two, last], "shop").await, expected);
    }

    #[tokio::test]
    async fn a_name_that_dns_cannot_hold_fails() {
        let lookup = lookup(&["127.0.0.1:1".parse().unwrap()], &"a.".repeat(200)).await;
        assert_eq!(lookup.v4, Family::Failed("no name that DNS can hold".to_owned()));
    }

    #[test]
    fn only_what_was_found_replaces_what_is_known() {
        let failed = |reason: &str| Family::Failed(reason.to_owned());
        let several = |addresses: &[&str]| Family::Found {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ttl: Duration::from_secs(10),
        };
        let mut known = Known::default();
        for (v4, v6, expected, next, says) in [
            (failed("a"), failed("a"), &[][..], 1, Some("a")),
            (Family::None, Family::None, &[], 1, Some("the name has no address")),
            (several(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]), Family::None, &["10.0.0.1", "10.0.0.2"], 10, None),
            (found("10.0.0.3", 20), found("fd00::1", 7), &["10.0.0.3", "fd00::1"], 7, None),
            (found("10.0.0.4", 20), failed("b"), &["10.0.0.4", "fd00::1"], 1, Some("IPv6: b")),
            (failed("c"), found("fd00::2", 20), &["10.0.0.4", "fd00::2"], 1, Some("IPv4: c")),
            (failed("c"), failed("d"), &["10.0.0.4", "fd00::2"], 1, Some("IPv4: c; IPv6: d")),
            (Family::None, failed("d"), &["10.0.0.4", "fd00::2"], 1, Some("IPv6: d")),
            (Family::None, Family::None, &["10.0.0.4", "fd00::2"], 1, Some("the name has no address")),
            (Family::None, found("fd00::2", 3600), &["fd00::2"], 30, None),
            (found("10.0.0.5", 0), Family::None, &["10.0.0.5"], 1, None),
        ] {
            let lookup = Lookup { v4, v6 };
            let learned = known.learn(lookup.clone(), &Dns::default());
            let addresses = known.addresses().map(|address| address.to_string()).collect::<Vec<_>>();
            assert_eq!(addresses, expected, "{lookup:?}");
            assert_eq!(learned.next, Duration::from_secs(next), "{lookup:?}");
            assert_eq!(learned.problem.as_deref(), says, "{lookup:?}");
        }
    }
}
