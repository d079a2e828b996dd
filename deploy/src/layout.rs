//! What there is to build and run: the workspace's root, the pages in `pages/*/page.toml`, the services in `services/*`.
//! There is no other list of pages or services.

use crate::error::Error;
use pagefleet_config::Route;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One page, by its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its name, which is its folder's and its program's too.
    pub(crate) name: String,
    /// Its path patterns.
    pub(crate) routes: Vec<String>,
}

/// The workspace.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// In the order of their names.
    pub(crate) pages: Vec<Page>,
    /// In the order of their names.
    pub(crate) services: Vec<String>,
}

/// All that `page.toml` may say: a key that nobody reads is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageSource {
    page: String,
    routes: Vec<String>,
    #[serde(rename = "navigation")]
    _navigation: Option<Navigation>,
}

/// The page's entry in the navigation, for the shell's build.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Navigation {
    #[serde(rename = "label")]
    _label: String,
    #[serde(rename = "path")]
    _path: String,
    #[serde(rename = "order")]
    _order: i64,
    #[serde(rename = "shows")]
    _shows: Option<String>,
}

impl Layout {
    /// Looks from the working directory upwards.
    pub(crate) fn find() -> Result<Self, Error> {
        let here = std::env::current_dir()?;
        let root = here.ancestors().find(|folder| is_workspace(folder)).ok_or(Error::NoWorkspace(here.clone()))?;
        Self::read(root)
    }

    /// Reads the workspace in `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        let pages = folders_with(&root.join("pages"), "page.toml")?;
        let services = folders_with(&root.join("services"), "src/main.rs")?;
        let layout = Self {
            root: root.to_owned(),
            pages: pages.iter().map(|folder| Page::read(folder)).collect::<Result<_, _>>()?,
            services: services.iter().map(|folder| name_of(folder)).collect(),
        };
        layout.check_routes()?;
        Ok(layout)
    }

    /// The proxy would refuse the second page that has a route; here that is known before anything is built.
    fn check_routes(&self) -> Result<(), Error> {
        let mut taken = matchit::Router::new();
        for page in &self.pages {
            for route in &page.routes {
                taken.insert(route, ()).map_err(|error| Error::PageSource {
                    file: self.folder_of(page).join("page.toml"),
                    reason: format!("route `{route}`, after the pages before it: {error}"),
                })?;
            }
        }
        Ok(())
    }

    /// The source folder of a page.
    pub(crate) fn folder_of(&self, page: &Page) -> PathBuf {
        self.root.join("pages").join(&page.name)
    }

    /// The page of that name.
    pub(crate) fn page(&self, name: &str) -> Result<&Page, Error> {
        self.pages.iter().find(|page| page.name == name).ok_or_else(|| Error::UnknownPage {
            page: name.to_owned(),
            known: self.pages.iter().map(|page| page.name.clone()).collect(),
        })
    }
}

impl Page {
    /// Reads `page.toml` in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let file = folder.join("page.toml");
        let text = std::fs::read_to_string(&file).map_err(Error::at(&file))?;
        let wrong = |reason: String| Error::PageSource { file: file.clone(), reason };
        let source: PageSource =
            toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if source.page != name_of(folder) {
            return Err(wrong(format!("page `{}` must be in a folder of that name", source.page)));
        }
        if let Some(error) = source.routes.iter().find_map(|route| Route::parse(route).err()) {
            return Err(wrong(error.to_string()));
        }
        Ok(Self { name: source.page, routes: source.routes })
    }

    /// The first route that is a path and no pattern: where the page can be looked at.
    pub(crate) fn first_path(&self) -> Option<&str> {
        self.routes.iter().map(String::as_str).find(|route| !route.contains('{'))
    }
}

fn is_workspace(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
    folder.join("pages").is_dir() && manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

fn folders_with(parent: &Path, file: &str) -> Result<Vec<PathBuf>, Error> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(Error::at(parent))? {
        let folder = entry.map_err(Error::at(parent))?.path();
        if folder.join(file).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("Cargo.toml", "[workspace]\n"), ("services/readme.txt", "")].iter().chain(files) {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const CHECKOUT: &str = "page = \"checkout\"\nroutes = [\"/checkout/{*rest}\", \"/checkout\"]\n\n\
        [navigation]\nlabel = \"Basket\"\npath = \"/checkout\"\norder = 90\nshows = \"basket\"\n";

    #[test]
    fn pages_and_services_are_the_folders_that_have_one() {
        let root = workspace(&[
            ("pages/checkout/page.toml", CHECKOUT),
            ("pages/kit/src/lib.rs", ""),
            ("services/kit/src/lib.rs", ""),
            ("services/catalog/src/main.rs", ""),
        ]);
        let layout = Layout::read(root.path()).unwrap();
        assert_eq!(layout.services, ["catalog"]);
        assert_eq!(layout.pages.len(), 1);
        assert_eq!(layout.page("checkout").unwrap().first_path(), Some("/checkout"));
    }

    #[test]
    fn an_unknown_page_is_answered_with_the_pages_there_are() {
        let root = workspace(&[("pages/checkout/page.toml", CHECKOUT)]);
        let error = Layout::read(root.path()).unwrap().page("chekout").unwrap_err();
        assert_eq!(error.to_string(), "there is no page `chekout`; the pages are checkout");
    }

    #[test]
    fn a_route_that_two_pages_have_is_told_with_the_second() {
        let basket = CHECKOUT.replace("page = \"checkout\"", "page = \"basket\"");
        let root = workspace(&[("pages/checkout/page.toml", CHECKOUT), ("pages/basket/page.toml", &basket)]);
        let error = Layout::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("pages/checkout/page.toml: route `/checkout/{*rest}`"), "{error}");
    }

    #[test]
    fn a_bad_page_source_is_told_with_its_file() {
        for (text, says) in [
            ("page = \"basket\"\nroutes = [\"/\"]\n", "page `basket` must be in a folder of that name"),
            ("page = \"checkout\"\nroutes = [\"checkout\"]\n", "route `checkout` does not start with `/`"),
            ("page = \"checkout\"\n", "missing field `routes`"),
            (&CHECKOUT.replace("routes", "route"), "unknown field `route`"),
            (&CHECKOUT.replace("order", "rank"), "unknown field `rank`"),
            (&CHECKOUT.replace("[navigation]", "[nav]"), "unknown field `nav`"),
            (&CHECKOUT.replace("label = \"Basket\"\n", ""), "missing field `label`"),
        ] {
            let root = workspace(&[("pages/checkout/page.toml", text)]);
            let error = Layout::read(root.path()).unwrap_err().to_string();
            assert!(error.contains("pages/checkout/page.toml") && error.contains(says), "{error}");
        }
    }
}
