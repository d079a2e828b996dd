//! `proxy.toml`: what the operator decides. Each key has a default except `listen`, `pages`, `fallback_page` and
//! `public_hosts`.

use crate::bounds::{Bounds, every_network};
use crate::error::{ConfigError, invalid, parse_toml, unreadable};
use crate::proxy_settings::{Cache, ClientLimit, Dns, Ejection, Health, Limits, Timeouts, VaultLimits};
use crate::route::Route;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The operator's file, validated. Relative paths are resolved against the folder that the file is in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFile {
    /// Addresses that visitors reach; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// The admin address: metrics and `GET /api/fleet`. Default `127.0.0.1:0`.
    #[serde(default = "default_admin")]
    pub admin: SocketAddr,
    /// The folder of page files.
    pub pages: PathBuf,
    /// Where the last good page files are kept, for the next start. Default `state`.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Networks that instances may be in, after DNS. Default `0.0.0.0/0` and `::/0`.
    #[serde(default = "every_network")]
    pub allowed_networks: Vec<IpNet>,
    /// Routes, as a page file writes them, that may lie inside another page's, such as `/checkout/help` inside
    /// `/checkout/{*rest}`. Default none.
    #[serde(default)]
    pub nested_routes: Vec<String>,
    /// A folder with `<status>.html` files; without it error pages are one line of text.
    pub error_pages: Option<PathBuf>,
    /// The page that answers a stable asset URL when no Referer names one.
    pub fallback_page: String,
    /// Host names, without port, under which the site is public. A Referer from elsewhere is foreign.
    pub public_hosts: Vec<String>,
    /// Networks whose `X-Forwarded-*`, `Forwarded`, `x-request-id` and `traceparent` are believed. Default none.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether responses carry `x-page`, `x-release`, `x-route-reason` and `x-cache`. Default false.
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
    /// How much one client may ask for.
    #[serde(default)]
    pub client_limit: ClientLimit,
    /// The cache of pages' answers.
    #[serde(default)]
    pub cache: Cache,
    /// Active health checks.
    #[serde(default)]
    pub health: Health,
    /// Passive ejection of instances.
    #[serde(default)]
    pub ejection: Ejection,
    /// How `dns:` instances are looked up.
    #[serde(default)]
    pub dns: Dns,
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

fn default_state() -> PathBuf {
    "state".into()
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
        let text = std::fs::read_to_string(file).map_err(unreadable(file))?;
        let mut written = parse_toml::<Self>(file, &text)?;
        let wrong = |(key, reason): (&str, String)| invalid(file, &text, key, reason);
        written.check_values().and_then(|()| written.check_numbers()).map_err(wrong)?;
        for host in &mut written.public_hosts {
            host.make_ascii_lowercase();
        }
        let base = file.parent().unwrap_or(Path::new(""));
        written.pages = base.join(&written.pages);
        written.state = base.join(&written.state);
        written.error_pages = written.error_pages.map(|folder| base.join(folder));
        if let VaultPlace::Folder(folder) = &mut written.vault {
            *folder = base.join(&*folder);
        }
        written.check_folders().map_err(wrong)?;
        Ok(written)
    }

    /// What a page file may do.
    pub fn bounds(&self) -> Bounds {
        Bounds { allowed_networks: self.allowed_networks.clone(), nested_routes: self.nested_routes.clone() }
    }

    fn check_values(&self) -> Result<(), (&'static str, String)> {
        if self.listen.is_empty() {
            return Err(("listen", "at least one address is needed".to_owned()));
        }
        if self.public_hosts.is_empty() {
            return Err(("public_hosts", "at least one host is needed, or every Referer is foreign".to_owned()));
        }
        let no_host = |host: &&String| host.contains([':', '/']) && !host.starts_with('[');
        if let Some(host) = self.public_hosts.iter().find(no_host) {
            return Err(("public_hosts", format!("`{host}`: a host name only, without scheme, port or path")));
        }
        if self.allowed_networks.is_empty() {
            return Err((
                "allowed_networks",
                "at least one network is needed, or no instance may be anywhere".to_owned(),
            ));
        }
        for pattern in &self.nested_routes {
            Route::parse(pattern).map_err(|error| ("nested_routes", error.to_string()))?;
        }
        if let Some(server) = self.dns.servers.iter().find(|server| server.port() == 0 || server.ip().is_unspecified())
        {
            return Err(("dns.servers", format!("`{server}` is no address of a server")));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), (&'static str, String)> {
        let (limits, health, ejection, dns) = (&self.limits, &self.health, &self.ejection, &self.dns);
        let rules = [
            (self.threads != Some(0), "threads", "at least 1"),
            (limits.head_bytes >= 1024, "limits.head_bytes", "at least 1024"),
            (limits.target_bytes >= 256, "limits.target_bytes", "at least 256"),
            (limits.header_fields <= 255, "limits.header_fields", "at most 255"),
            (limits.connections > 0, "limits.connections", "at least 1"),
            (!health.interval.is_zero(), "health.interval", "must be above 0"),
            (!health.timeout.is_zero(), "health.timeout", "must be above 0"),
            (health.failures > 0, "health.failures", "at least 1"),
            (health.passes > 0, "health.passes", "at least 1"),
            (!ejection.base.is_zero(), "ejection.base", "must be above 0"),
            (ejection.base <= ejection.max, "ejection.max", "must not be below `base`"),
            (!dns.min_ttl.is_zero(), "dns.min_ttl", "must be above 0"),
            (dns.min_ttl <= dns.max_ttl, "dns.max_ttl", "must not be below `min_ttl`"),
            (!dns.timeout.is_zero(), "dns.timeout", "must be above 0"),
            (self.cache.fits(), "cache.entry_bytes", "must not be above `memory_bytes`"),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, key, reason)| Err((key, reason.to_owned())))
    }

    fn check_folders(&self) -> Result<(), (&'static str, String)> {
        let no_folder = |folder: &Path| format!("`{}` is no folder", folder.display());
        if !self.pages.is_dir() {
            return Err(("pages", no_folder(&self.pages)));
        }
        if let Some(folder) = self.error_pages.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(("error_pages", no_folder(folder)));
        }
        if self.state == self.pages {
            return Err(("state", "must not be the folder of page files".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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

    #[test]
    fn the_defaults_of_a_rollout_are_those_that_are_documented() {
        let file = read("").unwrap();
        let seconds = Duration::from_secs;
        assert!(file.state.ends_with("state") && file.state.parent() == file.pages.parent());
        assert_eq!(file.bounds(), Bounds::default());
        assert_eq!(file.dns, Dns { servers: vec![], min_ttl: seconds(1), max_ttl: seconds(30), timeout: seconds(2) });
        assert_eq!(file.ejection, Ejection { failures: 5, base: seconds(5), max: seconds(300) });
        assert_eq!((file.health.passes, file.timeouts.grace), (2, seconds(30)));
    }

    #[test]
    fn the_operators_bounds_are_read() {
        let file = read(
            "allowed_networks = [\"10.0.0.0/8\"]\nnested_routes = [\"/checkout/help\"]\nstate = \"kept\"\n\
                         [dns]\nservers = [\"127.0.0.1:53\"]\nmax_ttl = \"1m\"\n[ejection]\nfailures = 0\n",
        )
        .unwrap();
        assert_eq!(file.bounds().allowed_networks, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(file.bounds().nested_routes, ["/checkout/help"]);
        assert!(file.state.ends_with("kept"));
        assert_eq!(file.dns.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((file.dns.max_ttl, file.ejection.failures), (Duration::from_secs(60), 0));
    }

    #[test]
    fn a_value_that_cannot_be_meant_is_told_with_its_line_and_table() {
        for (text, says) in [
            ("allowed_networks = []\n", "proxy.toml:5: `allowed_networks`: at least one"),
            ("allowed_networks = [\"10.0.0.0/33\"]\n", "proxy.toml:5: "),
            ("nested_routes = [\"checkout\"]\n", "proxy.toml:5: `nested_routes`: route `checkout` does not start"),
            ("state = \"pages\"\n", "proxy.toml:5: `state`: must not be the folder of page files"),
            ("[dns]\nservers = [\"127.0.0.1:0\"]\n", "proxy.toml:6: `dns.servers`: `127.0.0.1:0` is no address"),
            ("[dns]\nmin_ttl = \"0s\"\n", "proxy.toml:6: `dns.min_ttl`: must be above 0"),
            ("[dns]\nmax_ttl = \"500ms\"\n", "proxy.toml:6: `dns.max_ttl`: must not be below `min_ttl`"),
            ("[health]\ntimeout = \"1s\"\n[dns]\ntimeout = \"0s\"\n", "proxy.toml:8: `dns.timeout`: must be above 0"),
            ("[ejection]\nfailures = 1\n[health]\nfailures = 0\n", "proxy.toml:8: `health.failures`: at least 1"),
            ("[health]\npasses = 0\n", "proxy.toml:6: `health.passes`: at least 1"),
            ("[health]\ninterval = \"0s\"\n", "proxy.toml:6: `health.interval`: must be above 0"),
            ("[ejection]\nbase = \"0s\"\n", "proxy.toml:6: `ejection.base`: must be above 0"),
            ("[ejection]\nmax = \"1s\"\n", "proxy.toml:6: `ejection.max`: must not be below `base`"),
            ("[limits]\nhead_bytes = 1\n", "proxy.toml:6: `limits.head_bytes`: at least 1024"),
            ("[limits]\nconnections = 0\n", "proxy.toml:6: `limits.connections`: at least 1"),
            ("[timeouts]\ngrace = 30\n", "proxy.toml:6: invalid type"),
            (
                "[cache]\nmemory_bytes = 1000\nentry_bytes = 1001\n",
                "proxy.toml:7: `cache.entry_bytes`: must not be above",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
