//! Which page a path belongs to: one `matchit` table over the routes of all pages, built once for each snapshot.

use crate::fleet::{Page, PageId};
use pagefleet_config::RESERVED_PREFIXES;
use std::sync::Arc;

/// A route that takes what no page has.
const CATCH_ALL: &str = "/{*";

/// Path pattern to page.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    table: matchit::Router<PageId>,
    /// The page that takes every path that no page has. Apart, so that it takes no page's path with a slash more.
    rest: Option<PageId>,
}

impl Routes {
    /// Builds the table; a page's id is its place in `pages`. Page files arrive free of conflicts
    /// ([`pagefleet_config::PageSet`] refuses them), so one that matchit still refuses keeps its first owner.
    pub fn new(pages: &[Arc<Page>]) -> Self {
        let mut routes = Self::default();
        for (index, page) in pages.iter().enumerate() {
            for route in page.file.iter().flat_map(|file| &file.routes) {
                if route.as_str().starts_with(CATCH_ALL) {
                    routes.rest.get_or_insert(PageId(index));
                } else if let Err(error) = routes.table.insert(route.as_str(), PageId(index)) {
                    tracing::error!(page = %page.name, route = route.as_str(), %error, "route refused");
                }
            }
        }
        routes
    }

    /// The page of a normalised path ([`crate::path::normalise`]). A trailing slash makes no other page: whether
    /// `/checkout/` is redirected is for the page of `/checkout` to say. Reserved prefixes belong to no page, whatever
    /// a catch-all route says.
    pub fn page_of(&self, path: &str) -> Option<PageId> {
        if RESERVED_PREFIXES.iter().any(|prefix| path.starts_with(prefix) || path == &prefix[..prefix.len() - 1]) {
            return None;
        }
        let page = |path: &str| self.table.at(path).ok().map(|found| *found.value);
        page(path).or_else(|| page(path.strip_suffix('/')?)).or_else(|| self.rest.filter(|_| path != "/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagefleet_config::{PageFile, Route, Shares};

    fn page(name: &str, routes: &[&str]) -> Arc<Page> {
        let file = PageFile {
            page: name.to_owned(),
            routes: routes.iter().map(|route| Route::parse(route).unwrap()).collect(),
            instances: Vec::new(),
            shares: Shares::default(),
            manifest: true,
            health: "/health/ready".to_owned(),
        };
        let (name, file) = (name.into(), Some(Arc::new(file)));
        let (retries, places, counted) = (Arc::default(), Arc::default(), Arc::default());
        Arc::new(Page { name, file, instances: Vec::new(), retries, places, counted })
    }

    #[test]
    fn a_path_belongs_to_the_page_whose_route_it_matches() {
        let pages = [
            page("frontpage", &["/", "/products/{slug}", "/robots.txt"]),
            page("my-account", &["/my-account", "/my-account/{*rest}"]),
            page("checkout", &["/checkout", "/checkout/{*rest}"]),
        ];
        let routes = Routes::new(&pages);
        let name = |path: &str| routes.page_of(path).map(|page| &*pages[page.0].name);
        for (path, expected) in [
            ("/", Some("frontpage")),
            ("/products/tarn-two", Some("frontpage")),
            ("/products/", None),
            ("/products/a/b", None),
            ("/products", None),
            ("/robots.txt", Some("frontpage")),
            ("/my-account", Some("my-account")),
            ("/my-account/orders/7", Some("my-account")),
            ("/my-accountant", None),
            ("/My-Account", None),
            ("/checkout/", Some("checkout")),
            ("/checkout/details", Some("checkout")),
            ("/checkout%2Fdetails", None),
            ("/assets/site.css", None),
            ("/health/ready", None),
            ("/nowhere", None),
        ] {
            assert_eq!(name(path), expected, "{path}");
        }
    }

    #[test]
    fn a_catch_all_takes_what_no_page_has_but_never_a_reserved_path() {
        let routes = Routes::new(&[page("old", &["/", "/{*rest}"]), page("checkout", &["/checkout"])]);
        assert_eq!(routes.page_of("/checkout"), Some(PageId(1)));
        assert_eq!(routes.page_of("/checkout/"), Some(PageId(1)));
        assert_eq!(routes.page_of("/"), Some(PageId(0)));
        assert_eq!(routes.page_of("/about/us"), Some(PageId(0)));
        for path in ["/health/live", "/.well-known/page.json", "/.pagefleet/x", "/assets/a.css", "/health"] {
            assert_eq!(routes.page_of(path), None, "{path}");
        }
    }
}
