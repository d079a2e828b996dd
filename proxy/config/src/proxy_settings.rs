//! The tables of `proxy.toml`: how long anything may take, how much of anything there may be, and how instances are
//! found, checked and put out.

use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How long anything may take; each key is a duration such as `10s` or `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub head: Duration,
    /// How long an idle client connection is kept. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Between two reads of a request body. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub body: Duration,
    /// For a write to the client that makes no progress. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub write: Duration,
    /// To connect to an instance. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From the end of a request to the first byte of an instance's response. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub first_byte: Duration,
    /// Between two reads of an instance's response: a stream of events needs a heartbeat more often than this. Default
    /// 60 s.
    #[serde(with = "humantime_serde")]
    pub between_bytes: Duration,
    /// From the end of a request to the end of an instance's response, if that says how long it is: streams and
    /// WebSockets have no end to wait for. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// How long a WebSocket may be silent on either side. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub websocket: Duration,
    /// How long a shutdown waits for requests in flight. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How long what is in flight may still take at an instance that leaves, and at a proxy that has a successor; then
    /// it is cut. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(30),
            between_bytes: Duration::from_secs(60),
            total: Duration::from_secs(300),
            websocket: Duration::from_secs(3600),
            drain: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}

/// How much of anything there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request head. Default 49,152: a 20 KB cookie and a 10 KB Referer fit.
    pub head_bytes: usize,
    /// Bytes of a request target. Default 8,192 (RFC 9110 section 4.1 asks for 8,000 at least).
    pub target_bytes: usize,
    /// Header fields of a request. Default 128.
    pub header_fields: usize,
    /// Client connections open at once; more wait in the listen queue. Default 20,000.
    pub connections: usize,
    /// Idle connections kept to instances, for each thread. Default 256.
    pub upstream_idle: usize,
    /// Requests that one page may be answering at once, WebSockets included; more are answered 503, so that a slow page
    /// takes no connection from the others. Default 1,000.
    pub page_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 48 << 10,
            target_bytes: 8 << 10,
            header_fields: 128,
            connections: 20_000,
            upstream_idle: 256,
            page_requests: 1_000,
        }
    }
}

/// How many requests one client may make: a token bucket for each address, IPv6 by /64. Assets are exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientLimit {
    /// Requests a second in the long run; 0 is no limit. Default 100.
    pub rate: u32,
    /// Requests at once, after a pause. Default 1,000.
    pub burst: u32,
    /// Clients that are remembered, at about 200 bytes each; who asked long ago is forgotten first. Default 100,000.
    pub clients: u64,
}

impl Default for ClientLimit {
    fn default() -> Self {
        Self { rate: 100, burst: 1_000, clients: 100_000 }
    }
}

/// The cache of pages' answers, which pages rule by their `Cache-Control`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Bytes of all kept answers in memory; 0 turns the cache off. Default 64 MiB.
    pub memory_bytes: u64,
    /// Bytes of one answer's body; a longer one is not kept. Default 1 MiB.
    pub entry_bytes: usize,
    /// Cookies whose visitors are known: their requests pass the cache by. Default `session` and `basket`.
    pub bypass_cookies: Vec<String>,
    /// How long a request waits for the answer to the same request of another visitor, before it goes to the page itself.
    /// Default 3 s.
    #[serde(with = "humantime_serde")]
    pub lock_wait: Duration,
    /// How long a request waits for a page that is slow before it gets what is kept, where `stale-if-error` allows it.
    /// Default 1 s.
    #[serde(with = "humantime_serde")]
    pub stale_wait: Duration,
}

impl Cache {
    /// Whether one answer fits in, if there is a cache.
    pub(crate) fn fits(&self) -> bool {
        self.memory_bytes == 0 || u64::try_from(self.entry_bytes).is_ok_and(|bytes| bytes <= self.memory_bytes)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            entry_bytes: 1 << 20,
            bypass_cookies: vec!["session".to_owned(), "basket".to_owned()],
            lock_wait: Duration::from_secs(3),
            stale_wait: Duration::from_secs(1),
        }
    }
}

/// How much the vault holds, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultLimits {
    /// Bytes of one asset. Default 16 MiB.
    pub asset_bytes: u64,
    /// Bytes of all assets of one release. Default 256 MiB.
    pub page_bytes: u64,
    /// Bytes of all assets, as pages sent them, on disk. Default 2 GiB.
    pub total_bytes: u64,
    /// Bytes of assets in memory, in all encodings. Default 256 MiB.
    pub memory_bytes: u64,
    /// How long an asset is kept after the last live release that had it. Default 7 days.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for VaultLimits {
    fn default() -> Self {
        let (asset_bytes, page_bytes, memory_bytes) = (16 << 20, 256 << 20, 256 << 20);
        Self { asset_bytes, page_bytes, total_bytes: 2 << 30, memory_bytes, keep: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// Active health checks of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// Between two checks of a healthy instance, its manifest included; others are checked ten times as often. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long a check may take. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Failed checks in a row that make an instance unhealthy. Default 2.
    pub failures: u32,
    /// Passed checks in a row that make an unhealthy instance healthy again; one lets a joining one in. Default 2.
    pub passes: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), timeout: Duration::from_secs(2), failures: 2, passes: 2 }
    }
}

/// How `dns:` instances are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The servers to ask, each with its port. Default none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// The least time between two lookups of a name, and the time to the next one after a failed one. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub min_ttl: Duration,
    /// The most time between two lookups of a name, whatever its TTL. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub max_ttl: Duration,
    /// How long a lookup may take, tries and servers included. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { servers: Vec::new(), min_ttl: seconds(1), max_ttl: seconds(30), timeout: seconds(2) }
    }
}

/// Passive ejection: an instance that visitors' requests fail at is put out without waiting for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ejection {
    /// Failed attempts in a row that put an instance out; 0 means never. Default 5.
    pub failures: u32,
    /// How long the first ejection lasts; each that follows lasts twice as long. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// The longest ejection. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub max: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 5, base: Duration::from_secs(5), max: Duration::from_secs(300) }
    }
}
