//! The proxy's files of a local fleet: `.fleet/proxy.toml`, and one page file for each page, whose source is the
//! `page.toml` in the repository. They are read back as the proxy will read them before anything is started. Later only
//! rollouts write a page file, whole each time, so that the proxy and whoever kills us find it as it is meant.

use crate::address;
use crate::error::Error;
use crate::folder::{self, Folder};
use crate::layout::Page;
use crate::plan::{Plan, Wanted};
use pagefleet_config::{ProxyFile, read_pages};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const NOTE: &str = "# Written by `cargo fleet`: at each start, and at each step of a rollout.\n";

#[derive(Serialize)]
struct Proxy<'a> {
    listen: Vec<SocketAddr>,
    admin: SocketAddr,
    pages: &'static str,
    error_pages: PathBuf,
    fallback_page: &'a str,
    public_hosts: Vec<String>,
    debug_headers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<&'static str>,
    timeouts: Timeouts,
}

#[derive(Serialize)]
struct Timeouts {
    /// Less than the supervisor waits before it kills.
    drain: &'static str,
}

#[derive(Serialize)]
struct PageFile<'a> {
    routes: &'a [String],
    instances: Vec<SocketAddr>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    shares: BTreeMap<&'a str, u8>,
}

/// Writes the files of a fleet, removes those of pages that are no more, and checks them.
pub(crate) fn write(folder: &Folder, root: &Path, pages: &[Page], plan: (&Plan, &Wanted)) -> Result<(), Error> {
    let (plan, wanted) = plan;
    folder::write(&folder.proxy_file(), &proxy(root, pages, wanted))?;
    remove_others(&folder.pages(), pages)?;
    for page in pages {
        write_page(folder, page, plan.instances_of(&page.name), None)?;
    }
    let proxy = ProxyFile::read(&folder.proxy_file())?;
    Ok(read_pages(&folder.pages(), &proxy.bounds())?.complete()?)
}

/// Writes one page's file: where its instances are and, if it has two releases, which percentage of visitors one gets.
pub(crate) fn write_page(
    folder: &Folder,
    page: &Page,
    instances: Vec<SocketAddr>,
    share: Option<(&str, u8)>,
) -> Result<(), Error> {
    let file = folder.pages().join(format!("{}.toml", page.name));
    folder::write(&file, &page_file(page, instances, share))
}

fn proxy(root: &Path, pages: &[Page], wanted: &Wanted) -> String {
    let written = Proxy {
        listen: vec![wanted.listen],
        admin: wanted.admin,
        pages: "pages",
        error_pages: root.join("templates/errors"),
        fallback_page: fallback_page(pages),
        public_hosts: public_hosts(wanted.listen, &host_name()),
        debug_headers: true,
        vault: (!wanted.vault).then_some("off"),
        timeouts: Timeouts { drain: "4s" },
    };
    format!("{NOTE}{}", toml::to_string(&written).expect("strings, addresses and one table can be written as TOML"))
}

fn page_file(page: &Page, instances: Vec<SocketAddr>, share: Option<(&str, u8)>) -> String {
    let written = PageFile { routes: &page.routes, instances, shares: share.into_iter().collect() };
    format!("{NOTE}{}", toml::to_string(&written).expect("lists of strings and a flat table can be written as TOML"))
}

/// Who answers for a stable asset URL without a usable Referer: the page of the site's root, else the first.
fn fallback_page(pages: &[Page]) -> &str {
    let root = pages.iter().find(|page| page.routes.iter().any(|route| route == "/"));
    root.or(pages.first()).map_or("", |page| &page.name)
}

/// The names under which a browser may reach the listen address. IPv6 stands in brackets, as in `Host` (RFC 3986
/// section 3.2.2).
fn public_hosts(listen: SocketAddr, host_name: &str) -> Vec<String> {
    let own = match address::reachable(listen).ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let mut hosts = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let from_elsewhere = if listen.ip().is_unspecified() { host_name } else { "" };
    for name in [own.as_str(), from_elsewhere] {
        if !name.is_empty() && !hosts.iter().any(|host| host == name) {
            hosts.push(name.to_owned());
        }
    }
    hosts
}

/// The machine's own.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn remove_others(folder: &Path, pages: &[Page]) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::at(folder))? {
        let path = entry.map_err(Error::at(folder))?.path();
        if !pages.iter().any(|page| path.file_stem().is_some_and(|stem| stem == page.name.as_str())) {
            std::fs::remove_file(&path).map_err(Error::at(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::Sockets;
    use pagefleet_config::VaultPlace;

    fn page(name: &str, route: &str) -> Page {
        Page { name: name.to_owned(), routes: vec![route.to_owned()] }
    }

    fn wanted(listen: &str) -> Wanted {
        Wanted {
            listen: listen.parse().unwrap(),
            admin: "127.0.0.1:8081".parse().unwrap(),
            sockets: Sockets::default(),
            instances: 1,
            asset_urls: "fingerprinted",
            vault: true,
        }
    }

    /// The proxy's file, written and read back.
    fn read_back(wanted: &Wanted) -> ProxyFile {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("proxy.toml");
        std::fs::create_dir(parent.path().join("pages")).unwrap();
        std::fs::create_dir_all(parent.path().join("templates/errors")).unwrap();
        let pages = [page("checkout", "/checkout"), page("frontpage", "/")];
        std::fs::write(&file, proxy(parent.path(), &pages, wanted)).unwrap();
        ProxyFile::read(&file).unwrap()
    }

    #[test]
    fn a_page_file_has_the_routes_of_its_source_and_where_its_instances_listen() {
        let page =
            Page { name: "checkout".to_owned(), routes: vec!["/checkout".to_owned(), "/checkout/{*rest}".to_owned()] };
        let instances = ["127.0.0.1:4101", "127.0.0.1:4102"].map(|address| address.parse().unwrap());
        let expected = "routes = [\"/checkout\", \"/checkout/{*rest}\"]\n\
                        instances = [\"127.0.0.1:4101\", \"127.0.0.1:4102\"]\n";
        assert_eq!(page_file(&page, instances.to_vec(), None), format!("{NOTE}{expected}"));
        let shared = page_file(&page, instances.to_vec(), Some(("0.1.0+plum", 10)));
        assert_eq!(shared, format!("{NOTE}{expected}\n[shares]\n\"0.1.0+plum\" = 10\n"));
    }

    #[test]
    fn the_proxy_file_is_one_that_the_proxy_accepts() {
        let read = read_back(&wanted("127.0.0.2:8080"));
        assert_eq!(read.listen, ["127.0.0.2:8080".parse().unwrap()]);
        assert_eq!(read.fallback_page, "frontpage");
        assert_eq!(read.public_hosts, ["127.0.0.1", "localhost", "127.0.0.2"]);
        assert!(read.debug_headers);
    }

    #[test]
    fn the_vault_is_the_proxys_own_matter_unless_it_is_to_be_off() {
        let on = wanted("127.0.0.1:8080");
        assert!(matches!(read_back(&on).vault, VaultPlace::Folder(folder) if folder.ends_with("vault")));
        assert_eq!(read_back(&Wanted { vault: false, ..on }).vault, VaultPlace::Off);
    }

    #[test]
    fn the_fallback_page_is_that_of_the_root_else_the_first() {
        let (checkout, shop) = (page("checkout", "/checkout"), page("shop", "/"));
        assert_eq!(fallback_page(&[checkout.clone(), shop]), "shop");
        assert_eq!(fallback_page(&[checkout, page("old", "/old")]), "checkout");
    }

    #[test]
    fn a_fleet_on_every_address_is_public_under_the_machines_name_too() {
        for (listen, expected) in [
            ("127.0.0.1:80", &[][..]),
            ("192.0.2.7:80", &["192.0.2.7"]),
            ("[::1]:80", &["[::1]"]),
            ("0.0.0.0:80", &["anvil"]),
            ("[::]:80", &["[::1]", "anvil"]),
        ] {
            let hosts = public_hosts(listen.parse().unwrap(), "anvil");
            assert_eq!(hosts, [&["127.0.0.1", "localhost"], expected].concat(), "{listen}");
        }
        let nameless = public_hosts("0.0.0.0:80".parse().unwrap(), "");
        assert_eq!(nameless, ["127.0.0.1", "localhost"]);
        assert!(!host_name().is_empty());
    }

    #[test]
    fn the_file_of_a_page_that_is_no_more_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["checkout.toml", "old.toml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove_others(folder.path(), &[page("checkout", "/checkout")]).unwrap();
        assert!(folder.path().join("checkout.toml").exists());
        assert!(!folder.path().join("old.toml").exists());
    }
}
