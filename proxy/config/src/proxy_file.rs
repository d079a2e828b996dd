//! `proxy.toml`: what the operator decides. Each key has a default except `listen`, `pages`, `fallback_page` and
//! `public_hosts`.

use crate::error::{ConfigError, invalid, parse_file};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The operator's file, validated. Relative paths are resolved against the folder that the file is in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFile {
    /// Addresses that visitors reach; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// The admin address: metrics and `GET /api/fleet`. Default `127.0.0.1:0`.
    #[serde(default = "default_admin")]
    pub admin: SocketAddr,
    /// The folder of page files.
    pub pages: PathBuf,
    /// A folder with `<status>.html` files; without it error pages are one line of text.
    pub error_pages: Option<PathBuf>,
    /// The page that answers a stable asset URL when no Referer names one.
    pub fallback_page: String,
    /// Host names, without port, under which the site is public. A Referer from elsewhere is foreign.
    pub public_hosts: Vec<String>,
    /// Networks whose `X-Forwarded-*`, `Forwarded`, `x-request-id` and `traceparent` are believed. Default none.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether responses carry `x-page`, `x-release` and `x-route-reason`. Default false.
    #[serde(default)]
    pub debug_headers: bool,
    /// The vault's folder, or `"off"`: then every bundle request goes to the page that is showing. Default `vault`.
    #[serde(default = "default_vault")]
    pub vault: VaultPlace,
    /// How much the vault holds, and how long.
    #[serde(default)]
    pub vault_limits: VaultLimits,
    /// Threads that serve visitors. Default: one for each core.
    #[serde(default)]
    pub threads: Option<usize>,
    /// How long anything may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How much of anything there may be.
    #[serde(default)]
    pub limits: Limits,
    /// Active health checks.
    #[serde(default)]
    pub health: Health,
}

/// How long anything may take; each key is a duration such as `10s` or `500ms`.
#[derive(Debug, Clone, Copy, Deserialize)]
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
    /// Between two reads of an instance's response, the wait for its first byte included: a stream of events needs a
    /// heartbeat more often than this. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub upstream: Duration,
    /// How long a WebSocket may be silent on either side. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub websocket: Duration,
    /// How long a shutdown waits for requests in flight. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            connect: Duration::from_secs(1),
            upstream: Duration::from_secs(60),
            websocket: Duration::from_secs(3600),
            drain: Duration::from_secs(30),
        }
    }
}

/// How much of anything there may be.
#[derive(Debug, Clone, Copy, Deserialize)]
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 48 << 10,
            target_bytes: 8 << 10,
            header_fields: 128,
            connections: 20_000,
            upstream_idle: 256,
        }
    }
}

/// Where the assets of admitted releases are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum VaultPlace {
    /// Nowhere: pages are asked for every asset.
    Off,
    /// In this folder.
    Folder(PathBuf),
}

impl From<String> for VaultPlace {
    fn from(written: String) -> Self {
        if written == "off" { Self::Off } else { Self::Folder(written.into()) }
    }
}

fn default_vault() -> VaultPlace {
    VaultPlace::Folder("vault".into())
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
#[derive(Debug, Clone, Copy, Deserialize)]
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
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), timeout: Duration::from_secs(2), failures: 2 }
    }
}

fn default_admin() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl ProxyFile {
    /// Reads and validates `proxy.toml`.
    ///
    /// # Errors
    /// Names the file, the line and the key.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let (mut written, text) = parse_file::<Self>(file)?;
        let wrong = |key: &str, reason: &str| Err(invalid(file, &text, key, reason));
        if written.listen.is_empty() {
            return wrong("listen", "at least one address is needed");
        }
        if written.public_hosts.is_empty() {
            return wrong("public_hosts", "at least one host is needed, or every Referer is foreign");
        }
        if let Some(host) = written.public_hosts.iter().find(|host| host.contains([':', '/']) && !host.starts_with('['))
        {
            return wrong("public_hosts", &format!("`{host}`: a host name only, without scheme, port or path"));
        }
        if written.threads == Some(0) {
            return wrong("threads", "at least 1");
        }
        if written.health.interval.is_zero() || written.health.failures == 0 {
            return wrong("health.interval", "interval and failures must be above 0");
        }
        if written.limits.head_bytes < 1024 || written.limits.target_bytes < 256 || written.limits.connections == 0 {
            return wrong("limits.head_bytes", "head_bytes from 1024, target_bytes from 256, connections from 1");
        }
        if written.limits.header_fields > 255 {
            return wrong("limits.header_fields", "at most 255");
        }
        for host in &mut written.public_hosts {
            host.make_ascii_lowercase();
        }
        let base = file.parent().unwrap_or(Path::new(""));
        written.pages = base.join(&written.pages);
        written.error_pages = written.error_pages.map(|folder| base.join(folder));
        if let VaultPlace::Folder(folder) = &mut written.vault {
            *folder = base.join(&*folder);
        }
        if !written.pages.is_dir() {
            return wrong("pages", &format!("`{}` is no folder", written.pages.display()));
        }
        if let Some(folder) = written.error_pages.as_ref().filter(|folder| !folder.is_dir()) {
            return wrong("error_pages", &format!("`{}` is no folder", folder.display()));
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extra: &str) -> Result<ProxyFile, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pages")).unwrap();
        let file = folder.path().join("proxy.toml");
        let base = "listen = [\"127.0.0.1:0\"]\npages = \"pages\"\nfallback_page = \"front\"\npublic_hosts = [\"Shop.example\"]\n";
        std::fs::write(&file, format!("{base}{extra}")).unwrap();
        ProxyFile::read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_apply_and_hosts_are_lower_case() {
        let file = read("").unwrap();
        assert_eq!(file.public_hosts, ["shop.example"]);
        assert_eq!(file.timeouts.head, Duration::from_secs(10));
        assert!(!file.debug_headers);
    }

    #[test]
    fn an_error_names_the_line_and_the_key() {
        assert!(read("colour = 1\n").unwrap_err().contains("proxy.toml:5: unknown field `colour`"));
        assert!(read("threads = 0\n").unwrap_err().contains("proxy.toml:5: `threads`: at least 1"));
        assert!(read("error_pages = \"gone\"\n").unwrap_err().contains("`error_pages`"));
        assert!(read("[timeouts]\nhead = \"soon\"\n").unwrap_err().contains("proxy.toml:6"));
    }
}
