//! The proxy's files of a local fleet: `.fleet/proxy.toml`, and one page file for each page, whose source is the
//! `page.toml` in the repository. They are read back as the proxy will read them before anything is started.

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::layout::Page;
use crate::plan::{Plan, Wanted};
use pagefleet_config::{ProxyFile, read_pages};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const NOTE: &str = "# Written by `cargo fleet up` at each start.\n";
/// The page that answers for a stable asset URL without a usable Referer.
const FALLBACK_PAGE: &str = "frontpage";

#[derive(Serialize)]
struct Proxy {
    listen: Vec<SocketAddr>,
    admin: SocketAddr,
    pages: &'static str,
    error_pages: PathBuf,
    fallback_page: String,
    public_hosts: Vec<String>,
    debug_headers: bool,
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
}

/// Writes the files of a fleet, removes those of pages that are no more, and checks them.
pub(crate) fn write(folder: &Folder, root: &Path, pages: &[Page], plan: (&Plan, &Wanted)) -> Result<(), Error> {
    let (plan, wanted) = plan;
    folder::write(&folder.proxy_file(), &proxy(root, pages, wanted))?;
    remove_others(&folder.pages(), pages)?;
    for page in pages {
        let file = folder.pages().join(format!("{}.toml", page.name));
        folder::write(&file, &page_file(page, plan.instances_of(&page.name)))?;
    }
    ProxyFile::read(&folder.proxy_file())?;
    read_pages(&folder.pages())?.refused.into_iter().try_for_each(|(_, error)| Err(error.into()))
}

fn proxy(root: &Path, pages: &[Page], wanted: &Wanted) -> String {
    let has_fallback = pages.iter().any(|page| page.name == FALLBACK_PAGE);
    let fallback = pages.iter().find(|page| !has_fallback || page.name == FALLBACK_PAGE);
    let written = Proxy {
        listen: vec![wanted.listen],
        admin: wanted.admin,
        pages: "pages",
        error_pages: root.join("templates/errors"),
        fallback_page: fallback.map_or(FALLBACK_PAGE, |page| &page.name).to_owned(),
        public_hosts: public_hosts(wanted.listen.ip()),
        debug_headers: true,
        timeouts: Timeouts { drain: "4s" },
    };
    format!("{NOTE}{}", toml::to_string(&written).expect("strings, addresses and one table can be written as TOML"))
}

fn page_file(page: &Page, instances: Vec<SocketAddr>) -> String {
    let written = PageFile { routes: &page.routes, instances };
    format!("{NOTE}{}", toml::to_string(&written).expect("lists of strings can be written as TOML"))
}

/// The names under which a browser may reach the listen address. IPv6 stands in brackets, as in `Host` (RFC 3986
/// section 3.2.2).
fn public_hosts(listen: IpAddr) -> Vec<String> {
    let mut hosts = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let own = match listen {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !listen.is_unspecified() && !hosts.contains(&own) {
        hosts.push(own);
    }
    hosts
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

    fn page(name: &str, route: &str) -> Page {
        Page { name: name.to_owned(), routes: vec![route.to_owned()] }
    }

    #[test]
    fn a_page_file_has_the_routes_of_its_source_and_where_its_instances_listen() {
        let page =
            Page { name: "checkout".to_owned(), routes: vec!["/checkout".to_owned(), "/checkout/{*rest}".to_owned()] };
        let instances = ["127.0.0.1:4101", "127.0.0.1:4102"].map(|address| address.parse().unwrap());
        let text = page_file(&page, instances.to_vec());
        let expected = "routes = [\"/checkout\", \"/checkout/{*rest}\"]\n\
                        instances = [\"127.0.0.1:4101\", \"127.0.0.1:4102\"]\n";
        assert_eq!(text, format!("{NOTE}{expected}"));
    }

    #[test]
    fn the_proxy_file_is_one_that_the_proxy_accepts() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("proxy.toml");
        std::fs::create_dir(parent.path().join("pages")).unwrap();
        std::fs::create_dir_all(parent.path().join("templates/errors")).unwrap();
        let wanted = Wanted {
            listen: "127.0.0.2:8080".parse().unwrap(),
            admin: "127.0.0.1:8081".parse().unwrap(),
            instances: 1,
            asset_urls: "fingerprinted",
        };
        let pages = [page("checkout", "/checkout"), page("frontpage", "/")];
        std::fs::write(&file, proxy(parent.path(), &pages, &wanted)).unwrap();
        let read = ProxyFile::read(&file).unwrap();
        assert_eq!(read.listen, [wanted.listen]);
        assert_eq!(read.fallback_page, "frontpage");
        assert_eq!(read.public_hosts, ["127.0.0.1", "localhost", "127.0.0.2"]);
        assert!(read.debug_headers);
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
