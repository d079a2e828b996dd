//! One file for each page, owned by that page's team: its routes and its instances, and nothing else decides routing.

use crate::error::{ConfigError, Location, invalid, parse_file};
use crate::route::Route;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;

/// A validated page file. The page's name is the file's name without `.toml`.
#[derive(Debug, Clone)]
pub struct PageFile {
    /// The page's name, such as `checkout`.
    pub page: String,
    /// Path patterns that this page serves; at least one.
    pub routes: Vec<Route>,
    /// Addresses of its instances; may be empty, and then every request is answered 503.
    pub instances: Vec<SocketAddr>,
    /// Whether instances answer `GET /.well-known/page.json`. Default true.
    pub manifest: bool,
    /// The path of the active health check. Default `/health/ready`.
    pub health: String,
}

/// What a folder of page files holds: the pages that can be used, and why the others can't.
#[derive(Debug, Default)]
pub struct PagesFolder {
    /// Valid page files, by name.
    pub pages: Vec<PageFile>,
    /// One error for each refused file.
    pub refused: Vec<(String, ConfigError)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    routes: Vec<String>,
    instances: Vec<String>,
    #[serde(default = "yes")]
    manifest: bool,
    #[serde(default = "ready")]
    health: String,
}

fn yes() -> bool {
    true
}

fn ready() -> String {
    "/health/ready".to_owned()
}

impl PageFile {
    /// Reads and validates one page file.
    ///
    /// # Errors
    /// Names the file, the line and the reason.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let page = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let (written, text) = parse_file::<Written>(file)?;
        let wrong = |key: &str, reason: String| invalid(file, &text, key, reason);
        if page.is_empty()
            || !page.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return Err(wrong("page", format!("`{page}` is no page name: lower case letters, digits and dashes only")));
        }
        if written.routes.is_empty() {
            return Err(wrong("routes", "a page needs at least one route".to_owned()));
        }
        if !written.health.starts_with('/') {
            return Err(wrong("health", format!("`{}` does not start with `/`", written.health)));
        }
        let routes = written.routes.iter().map(|pattern| Route::parse(pattern)).collect::<Result<_, _>>();
        let instances = written.instances.iter().map(|written| parse_instance(written)).collect::<Result<_, _>>();
        Ok(Self {
            page: page.to_owned(),
            routes: routes.map_err(|error| wrong("routes", error.to_string()))?,
            instances: instances.map_err(|reason| wrong("instances", reason))?,
            manifest: written.manifest,
            health: written.health,
        })
    }
}

fn parse_instance(written: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        written.parse().map_err(|_| format!("`{written}` is no address: want `127.0.0.1:4101` or `[::1]:4101`"))?;
    if address.port() == 0 {
        return Err(format!("`{written}`: an instance can't be reached at port 0"));
    }
    Ok(address)
}

/// Reads every `*.toml` of a folder, in the order of their names. A file that is wrong, or whose route another page has
/// already, is refused alone.
///
/// # Errors
/// Only when the folder itself can't be read.
pub fn read_pages(folder: &Path) -> Result<PagesFolder, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { at: Location { file: folder.to_owned(), line: None }, source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut found = PagesFolder::default();
    let mut taken = matchit::Router::new();
    for file in files {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        match PageFile::read(&file).and_then(|page| claim_routes(&mut taken, page, &file)) {
            Ok(page) => found.pages.push(page),
            Err(error) => found.refused.push((name, error)),
        }
    }
    Ok(found)
}

fn claim_routes(taken: &mut matchit::Router<String>, page: PageFile, file: &Path) -> Result<PageFile, ConfigError> {
    let mut with_page = taken.clone();
    for route in &page.routes {
        with_page.insert(route.as_str(), page.page.clone()).map_err(|error| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let reason = match &error {
                matchit::InsertError::Conflict { with } => {
                    let owner =
                        taken.at(with).map_or("the same page".to_owned(), |found| format!("page `{}`", found.value));
                    format!("route `{}` collides with `{with}` of {owner}", route.as_str())
                }
                other => format!("route `{}`: {other}", route.as_str()),
            };
            invalid(file, &text, "routes", reason)
        })?;
    }
    *taken = with_page;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_page_file_gives_routes_and_instances() {
        let folder = folder(&[("checkout.toml", "routes = [\"/checkout\"]\ninstances = [\"127.0.0.1:4101\"]\n")]);
        let found = read_pages(folder.path()).unwrap();
        assert!(found.refused.is_empty());
        assert_eq!(found.pages[0].page, "checkout");
        assert_eq!(found.pages[0].instances[0].port(), 4101);
        assert!(found.pages[0].manifest);
    }

    #[test]
    fn a_bad_page_file_is_refused_alone_with_file_line_and_reason() {
        let good = "routes = [\"/\"]\ninstances = []\n";
        for (bad, says) in [
            ("routes = [\"/a\"]\n\ninstances = 7\n", "bad.toml:3: invalid type"),
            ("routes = [\"/a\"]\ninstances = []\nweight = 3\n", "bad.toml:3: unknown field `weight`"),
            (
                "instances = []\nroutes = [\"/assets/x\"]\n",
                "bad.toml:2: `routes`: route `/assets/x` is under `/assets/`",
            ),
            ("routes = [\"/a\"]\ninstances = [\"nowhere\"]\n", "bad.toml:2: `instances`: `nowhere` is no address"),
            ("routes = []\ninstances = []\n", "bad.toml:1: `routes`: a page needs at least one route"),
            ("routes = [\n", "bad.toml:"),
        ] {
            let folder = folder(&[("bad.toml", bad), ("good.toml", good)]);
            let found = read_pages(folder.path()).unwrap();
            assert_eq!(found.pages.len(), 1, "{bad}");
            let error = found.refused[0].1.to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn two_pages_cannot_have_one_route() {
        let file = "routes = [\"/a\"]\ninstances = []\n";
        let folder = folder(&[("one.toml", file), ("two.toml", file)]);
        let found = read_pages(folder.path()).unwrap();
        assert_eq!(found.pages[0].page, "one");
        assert!(found.refused[0].1.to_string().contains("collides with `/a` of page `one`"));
    }
}
