//! Whose path is it: the page's, an asset that may be the page's, or the rest of the site's.

use crate::layout::Page;

/// The routes of one page.
#[derive(Debug, Clone)]
pub(crate) struct PageRoutes {
    routes: matchit::Router<()>,
    /// As written, to be shown.
    pub(crate) patterns: Vec<String>,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The page has a route for it.
    Page,
    /// An asset: the page's if it has it, else the rest's.
    Asset,
    /// Anything else.
    Rest,
}

impl PageRoutes {
    /// Of a page, by its source.
    pub(crate) fn of(page: &Page) -> Result<Self, String> {
        let mut routes = matchit::Router::new();
        for pattern in &page.routes {
            routes.insert(pattern, ()).map_err(|error| format!("route `{pattern}`: {error}"))?;
        }
        Ok(Self { routes, patterns: page.routes.clone() })
    }

    /// Who answers for `path`. A route's path with a slash behind is the page's to redirect.
    pub(crate) fn owner(&self, path: &str) -> Owner {
        let without_slash = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        if self.routes.at(path).is_ok() || self.routes.at(without_slash).is_ok() {
            Owner::Page
        } else if path.starts_with("/assets/") {
            Owner::Asset
        } else {
            Owner::Rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_page_that_has_a_route_for_it() {
        let routes = ["/checkout", "/checkout/{*rest}"].map(str::to_owned).to_vec();
        let routes = PageRoutes::of(&Page { name: "checkout".to_owned(), routes }).unwrap();
        for (path, owner) in [
            ("/checkout", Owner::Page),
            ("/checkout/", Owner::Page),
            ("/checkout/orders/7", Owner::Page),
            ("/checkouts", Owner::Rest),
            ("/", Owner::Rest),
            ("/assets/site.css", Owner::Asset),
            ("/assets", Owner::Rest),
        ] {
            assert_eq!(routes.owner(path), owner, "{path}");
        }
    }
}
