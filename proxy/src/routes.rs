//! Which page a path belongs to: one `matchit` table over the routes of all pages, built once for each snapshot.

use crate::fleet::PageId;
use pagefleet_config::{PageFile, RESERVED_PREFIXES};

/// Path pattern to page.
#[derive(Debug, Default)]
pub struct Routes(matchit::Router<PageId>);

impl Routes {
    /// Builds the table; a page's id is its place in `pages`. Page files arrive free of conflicts
    /// ([`pagefleet_config::read_pages`] refuses them), so one that matchit still refuses keeps its first owner.
    pub fn new(pages: &[PageFile]) -> Self {
        let mut table = matchit::Router::new();
        for (index, page) in pages.iter().enumerate() {
            for route in &page.routes {
                if let Err(error) = table.insert(route.as_str(), PageId(index)) {
                    tracing::error!(page = %page.page, route = route.as_str(), %error, "route refused");
                }
            }
        }
        Self(table)
    }

    /// The page of a normalised path ([`crate::path::normalise`]). A trailing slash makes no other page: whether
    /// `/checkout/` is redirected is for the page of `/checkout` to say. Reserved prefixes belong to no page, whatever
    /// a catch-all route says.
    pub fn page_of(&self, path: &str) -> Option<PageId> {
        if RESERVED_PREFIXES.iter().any(|prefix| path.starts_with(prefix) || path == &prefix[..prefix.len() - 1]) {
            return None;
        }
        let found = self.0.at(path).or_else(|error| path.strip_suffix('/').map_or(Err(error), |bare| self.0.at(bare)));
        found.ok().map(|found| *found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagefleet_config::Route;

    fn page(name: &str, routes: &[&str]) -> PageFile {
        PageFile {
            page: name.to_owned(),
            routes: routes.iter().map(|route| Route::parse(route).unwrap()).collect(),
            instances: Vec::new(),
            manifest: true,
            health: "/health/ready".to_owned(),
        }
    }

    #[test]
    fn a_path_belongs_to_the_page_whose_route_it_matches() {
        let pages = [
            page("frontpage", &["/", "/products/{slug}", "/robots.txt"]),
            page("my-account", &["/my-account", "/my-account/{*rest}"]),
            page("checkout", &["/checkout", "/checkout/{*rest}"]),
        ];
        let routes = Routes::new(&pages);
        let name = |path: &str| routes.page_of(path).map(|page| pages[page.0].page.as_str());
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
        assert_eq!(routes.page_of("/about/us"), Some(PageId(0)));
        for path in ["/health/live", "/.well-known/page.json", "/.pagefleet/x", "/assets/a.css", "/health"] {
            assert_eq!(routes.page_of(path), None, "{path}");
        }
    }
}
