//! The pages that peers route to: what `pages/*/page.toml` says of their paths.

use crate::error::Error;
use serde::Deserialize;
use std::path::Path;

/// One page, by its source.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Page {
    #[serde(rename = "page")]
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
}

/// What of a site's paths a route means, as servers configure it that know no patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paths {
    /// This one.
    One(String),
    /// All that begin so; it ends with `/`.
    Below(String),
}

impl Page {
    /// Every page of the workspace, in the order of their names.
    pub(crate) fn all(root: &Path) -> Result<Vec<Self>, Error> {
        let parent = root.join("pages");
        let mut pages = Vec::new();
        for entry in std::fs::read_dir(&parent).map_err(Error::at(&parent))? {
            let file = entry.map_err(Error::at(&parent))?.path().join("page.toml");
            if file.is_file() {
                let text = std::fs::read_to_string(&file).map_err(Error::at(&file))?;
                let page = toml::from_str::<Self>(&text);
                pages.push(page.map_err(|error| Error::Content { path: file, reason: error.to_string() })?);
            }
        }
        pages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pages)
    }

    /// The paths that its routes mean.
    pub(crate) fn paths(&self) -> Vec<Paths> {
        paths(&self.routes)
    }

    /// Whether it answers for this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths().iter().any(|paths| match paths {
            Paths::One(one) => path == one,
            Paths::Below(prefix) => path.starts_with(prefix),
        })
    }
}

/// The paths that routes mean.
pub(crate) fn paths(routes: &[String]) -> Vec<Paths> {
    let meant = routes.iter().map(|route| match route.split_once('{') {
        Some((prefix, _)) => Paths::Below(prefix.to_owned()),
        None => Paths::One(route.clone()),
    });
    meant.collect()
}

impl Paths {
    /// The first segment, which is empty for `/`.
    pub(crate) fn first_segment(&self) -> &str {
        let (Self::One(path) | Self::Below(path)) = self;
        path.split('/').nth(1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_become_single_paths_and_prefixes() {
        let routes = ["/", "/products/{slug}", "/checkout/{*rest}"].map(str::to_owned);
        let page = Page { name: "shop".to_owned(), routes: routes.to_vec() };
        let [one, products, checkout] = page.paths().try_into().unwrap();
        assert_eq!(one, Paths::One("/".to_owned()));
        assert_eq!(products, Paths::Below("/products/".to_owned()));
        assert_eq!((one.first_segment(), checkout.first_segment()), ("", "checkout"));
        assert!(page.has("/products/tent") && page.has("/") && !page.has("/robots.txt"));
    }
}
