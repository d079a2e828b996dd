//! Which keys of a changed `proxy.toml` only a new proxy process takes; all others are taken while it runs.

use crate::proxy_file::ProxyFile;

impl ProxyFile {
    /// The keys, dotted, that differ in `new` and need a new process.
    pub fn needs_upgrade(&self, new: &Self) -> Vec<&'static str> {
        let keys = [
            ("listen", self.listen != new.listen),
            ("admin", self.admin != new.admin),
            ("threads", self.threads != new.threads),
            ("vault", self.vault != new.vault),
            ("vault_limits", self.vault_limits != new.vault_limits),
            ("state", self.state != new.state),
            ("pages", self.pages != new.pages),
            ("limits.connections", self.limits.connections != new.limits.connections),
            ("limits.upstream_idle", self.limits.upstream_idle != new.limits.upstream_idle),
            ("client_limit.clients", self.client_limit.clients != new.client_limit.clients),
            ("cache.memory_bytes", self.cache.memory_bytes != new.cache.memory_bytes),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cache, ClientLimit, Dns, Ejection, Health, Limits, Timeouts, VaultLimits, VaultPlace};
    use std::time::Duration;

    fn file() -> ProxyFile {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pages")).unwrap();
        let file = folder.path().join("proxy.toml");
        let text = "listen = [\"127.0.0.1:0\"]\npages = \"pages\"\nfallback_page = \"a\"\npublic_hosts = [\"a\"]\n";
        std::fs::write(&file, text).unwrap();
        ProxyFile::read(&file).unwrap()
    }

    /// A file that differs from [`file`] in every key.
    fn all_different() -> ProxyFile {
        let second = Duration::from_secs(1);
        ProxyFile {
            listen: vec!["127.0.0.2:0".parse().unwrap()],
            admin: "127.0.0.2:0".parse().unwrap(),
            pages: "elsewhere".into(),
            state: "elsewhere".into(),
            allowed_networks: Vec::new(),
            nested_routes: vec!["/b".to_owned()],
            error_pages: Some("elsewhere".into()),
            fallback_page: "b".to_owned(),
            public_hosts: vec!["b".to_owned()],
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            debug_headers: true,
            vault: VaultPlace::Off,
            vault_limits: VaultLimits { keep: second, ..VaultLimits::default() },
            threads: Some(7),
            timeouts: Timeouts { grace: second, ..Timeouts::default() },
            limits: Limits {
                head_bytes: 1,
                target_bytes: 1,
                header_fields: 1,
                connections: 1,
                upstream_idle: 1,
                page_requests: 1,
            },
            client_limit: ClientLimit { rate: 1, burst: 1, clients: 1 },
            cache: Cache {
                memory_bytes: 1,
                entry_bytes: 1,
                bypass_cookies: Vec::new(),
                lock_wait: second * 2,
                stale_wait: second * 2,
            },
            health: Health { timeout: second, ..Health::default() },
            ejection: Ejection { failures: 1, ..Ejection::default() },
            dns: Dns { timeout: second, ..Dns::default() },
        }
    }

    #[test]
    fn every_key_is_taken_while_the_proxy_runs_or_needs_an_upgrade() {
        let old = file();
        let with = |change: &dyn Fn(&mut ProxyFile)| {
            let mut new = old.clone();
            change(&mut new);
            assert_ne!(new, old);
            old.needs_upgrade(&new)
        };
        // No `..`: a new key does not compile before it is on one of the two sides.
        let ProxyFile {
            listen,
            admin,
            pages,
            state,
            allowed_networks,
            nested_routes,
            error_pages,
            fallback_page,
            public_hosts,
            trusted_proxies,
            debug_headers,
            vault,
            vault_limits,
            threads,
            timeouts,
            limits,
            client_limit,
            cache,
            health,
            ejection,
            dns,
        } = all_different();
        let Limits { connections, upstream_idle, head_bytes, target_bytes, header_fields, page_requests } = limits;
        let ClientLimit { rate, burst, clients } = client_limit;
        let Cache { memory_bytes, entry_bytes, bypass_cookies, lock_wait, stale_wait } = cache;
        for (found, expected) in [
            (with(&|file| file.listen = listen.clone()), Some("listen")),
            (with(&|file| file.admin = admin), Some("admin")),
            (with(&|file| file.pages = pages.clone()), Some("pages")),
            (with(&|file| file.state = state.clone()), Some("state")),
            (with(&|file| file.allowed_networks = allowed_networks.clone()), None),
            (with(&|file| file.nested_routes = nested_routes.clone()), None),
            (with(&|file| file.error_pages = error_pages.clone()), None),
            (with(&|file| file.fallback_page = fallback_page.clone()), None),
            (with(&|file| file.public_hosts = public_hosts.clone()), None),
            (with(&|file| file.trusted_proxies = trusted_proxies.clone()), None),
            (with(&|file| file.debug_headers = debug_headers), None),
            (with(&|file| file.vault = vault.clone()), Some("vault")),
            (with(&|file| file.vault_limits = vault_limits), Some("vault_limits")),
            (with(&|file| file.threads = threads), Some("threads")),
            (with(&|file| file.timeouts = timeouts), None),
            (with(&|file| file.health = health), None),
            (with(&|file| file.ejection = ejection), None),
            (with(&|file| file.dns = dns.clone()), None),
            (with(&|file| file.limits.connections = connections), Some("limits.connections")),
            (with(&|file| file.limits.upstream_idle = upstream_idle), Some("limits.upstream_idle")),
            (with(&|file| file.limits.head_bytes = head_bytes), None),
            (with(&|file| file.limits.target_bytes = target_bytes), None),
            (with(&|file| file.limits.header_fields = header_fields), None),
            (with(&|file| file.limits.page_requests = page_requests), None),
            (with(&|file| file.client_limit.rate = rate), None),
            (with(&|file| file.client_limit.burst = burst), None),
            (with(&|file| file.client_limit.clients = clients), Some("client_limit.clients")),
            (with(&|file| file.cache.memory_bytes = memory_bytes), Some("cache.memory_bytes")),
            (with(&|file| file.cache.entry_bytes = entry_bytes), None),
            (with(&|file| file.cache.bypass_cookies = bypass_cookies.clone()), None),
            (with(&|file| file.cache.lock_wait = lock_wait), None),
            (with(&|file| file.cache.stale_wait = stale_wait), None),
        ] {
            assert_eq!(found, Vec::from_iter(expected));
        }
    }

    #[test]
    fn a_file_that_did_not_change_needs_nothing() {
        let file = file();
        assert!(file.needs_upgrade(&file.clone()).is_empty());
    }
}
