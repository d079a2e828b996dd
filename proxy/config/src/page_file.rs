//! One file for each page, owned by that page's team: its routes, its instances and the shares of its releases, and
//! nothing else decides routing.

use crate::bounds::Bounds;
use crate::claims::Claims;
use crate::error::{ConfigError, Location, invalid, line_of, parse_toml};
use crate::instance_source::InstanceSource;
use crate::route::Route;
use crate::shares::{self, Shares};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Entries of `routes`, and of `instances`.
const MAX_ENTRIES: usize = 1000;

/// A validated page file. The page's name is the file's name without `.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageFile {
    /// The page's name, such as `checkout`.
    pub page: String,
    /// Path patterns that this page serves; at least one.
    pub routes: Vec<Route>,
    /// Where its instances are; may be empty, and then every request is answered 503.
    pub instances: Vec<InstanceSource>,
    /// Percent of visitors by release. Default none: instances count equally.
    pub shares: Shares,
    /// Whether instances answer `GET /.well-known/page.json`. Default true.
    pub manifest: bool,
    /// The path of the active health check. Default `/health/ready`.
    pub health: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    routes: Vec<Spanned<String>>,
    instances: Vec<Spanned<String>>,
    #[serde(default)]
    shares: shares::Written,
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
    /// Validates the text of one page file against the operator's bounds. What other pages have is
    /// [`crate::PageSet`]'s matter.
    ///
    /// # Errors
    /// Names the file, the line, the key and the reason.
    pub fn parse(file: &Path, text: &str, bounds: &Bounds) -> Result<Self, ConfigError> {
        let at = Text { file, text };
        let page = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if page.is_empty() || !page.bytes().all(named) {
            let reason = format!("`{page}` is no page name: lower case letters, digits and dashes only");
            return Err(at.wrong("page", reason));
        }
        let written = parse_toml::<Written>(file, text)?;
        if !written.health.starts_with('/') {
            return Err(at.wrong("health", format!("`{}` does not start with `/`", written.health)));
        }
        if !written.health.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(at.wrong("health", format!("`{}` is no path", written.health.escape_default())));
        }
        let shares = written.shares.check().map_err(|(span, release, reason)| {
            let key = format!("shares.\"{}\"", release.escape_default());
            at.wrong_at(span, &key, reason)
        })?;
        Ok(Self {
            page: page.to_owned(),
            routes: at.routes(page, &written.routes)?,
            instances: at.instances(&written.instances, bounds)?,
            shares,
            manifest: written.manifest,
            health: written.health,
        })
    }
}

/// The text that is being validated.
#[derive(Clone, Copy)]
struct Text<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Text<'_> {
    fn wrong(self, key: &str, reason: String) -> ConfigError {
        invalid(self.file, self.text, key, reason)
    }

    fn wrong_at(self, span: Range<usize>, key: &str, reason: String) -> ConfigError {
        let at = Location { file: self.file.to_owned(), line: Some(line_of(self.text, span.start)) };
        ConfigError::Invalid { at, key: key.to_owned(), reason }
    }

    fn routes(self, page: &str, written: &[Spanned<String>]) -> Result<Vec<Route>, ConfigError> {
        if written.is_empty() {
            return Err(self.wrong("routes", "a page needs at least one route".to_owned()));
        }
        if written.len() > MAX_ENTRIES {
            return Err(self.wrong("routes", format!("more than {MAX_ENTRIES}")));
        }
        let mut claims = Claims::default();
        let mut routes = Vec::new();
        for pattern in written {
            let wrong = |reason| self.wrong_at(pattern.span(), "routes", reason);
            let route = Route::parse(pattern.get_ref()).map_err(|error| wrong(error.to_string()))?;
            if let Some(own) = claims.collision_within(&route) {
                let (new, own) = (route.as_str(), own.as_str());
                return Err(wrong(format!("route `{new}` collides with `{own}` of the same page")));
            }
            claims.add(page, &route);
            routes.push(route);
        }
        Ok(routes)
    }

    fn instances(self, written: &[Spanned<String>], bounds: &Bounds) -> Result<Vec<InstanceSource>, ConfigError> {
        if written.len() > MAX_ENTRIES {
            return Err(self.wrong("instances", format!("more than {MAX_ENTRIES}")));
        }
        let mut meanings = BTreeSet::new();
        let mut instances = Vec::new();
        for entry in written {
            let wrong = |reason| self.wrong_at(entry.span(), "instances", reason);
            let instance = InstanceSource::parse(entry.get_ref()).map_err(wrong)?;
            if let InstanceSource::Address(address) = instance {
                bounds.allows(address.ip()).map_err(wrong)?;
            }
            if !meanings.insert(instance.meaning()) {
                return Err(wrong(format!("`{instance}` is there twice")));
            }
            instances.push(instance);
        }
        Ok(instances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PageFile, String> {
        PageFile::parse(Path::new("pages/checkout.toml"), text, &Bounds::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_page_file_gives_routes_instances_and_shares() {
        let text = "routes = [\"/checkout\", \"/checkout/\", \"/checkout/{*rest}\", \"/checkout/help\"]\n\
                    instances = [\"127.0.0.1:4101\", \"dns:checkout.shop:8080\"]\n\
                    [shares]\n\"1.5.0\" = 10\n\"1.4.0\" = 90\n";
        let file = parse(text).unwrap();
        assert_eq!(file.page, "checkout");
        assert_eq!(file.routes.len(), 4);
        let instances = file.instances.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(instances, ["127.0.0.1:4101", "dns:checkout.shop:8080"]);
        assert_eq!(file.shares.iter().collect::<Vec<_>>(), [("1.5.0", 10), ("1.4.0", 90)]);
        assert!(file.manifest);
        assert_eq!(file.health, "/health/ready");
        for shares in ["shares = { \"1\" = 1 }", "shares.1 = 1"] {
            let file = parse(&format!("routes = [\"/\"]\ninstances = []\n{shares}\n")).unwrap();
            assert_eq!(file.shares.get("1"), Some(1), "{shares}");
        }
    }

    #[test]
    fn a_bad_page_file_is_told_with_file_line_key_and_reason() {
        let base = "routes = [\"/a\"]\ninstances = []\n";
        for (text, says) in [
            ("", "pages/checkout.toml:1: missing field `routes`"),
            ("routes = [\n", "pages/checkout.toml:"),
            ("routes = [\"/a\"]\n\ninstances = 7\n", "checkout.toml:3: invalid type"),
            (&format!("{base}weight = 3\n"), "checkout.toml:3: unknown field `weight`"),
            ("instances = []\nroutes = [\"/assets/x\"]\n", ":2: `routes`: route `/assets/x` is under `/assets/`"),
            (
                "instances = []\nroutes = [\n\"/a\",\n\"/a\"]\n",
                ":4: `routes`: route `/a` collides with `/a` of the same",
            ),
            (
                "instances = []\nroutes = [\"/a/{x}\", \"/a/{y}\"]\n",
                ":2: `routes`: route `/a/{y}` collides with `/a/{x}`",
            ),
            ("routes = []\ninstances = []\n", ":1: `routes`: a page needs at least one route"),
            ("routes = [\"/a\"]\ninstances = [\"nowhere\"]\n", ":2: `instances`: `nowhere` is no address"),
            ("routes = [\"/a\"]\ninstances = [\"1.2.3.4:0\"]\n", ":2: `instances`: `1.2.3.4:0`: an instance can't"),
            ("routes = [\"/a\"]\ninstances = [\n\"169.254.1.1:1\"]\n", ":3: `instances`: 169.254.1.1 is link-local"),
            (
                "routes = [\"/a\"]\ninstances = [\"dns:a:1\", \"dns:A.:1\"]\n",
                ":2: `instances`: `dns:A.:1` is there twice",
            ),
            (&format!("{base}health = \"ready\"\n"), ":3: `health`: `ready` does not start with `/`"),
            (&format!("{base}health = \"/a\\r\\nb\"\n"), ":3: `health`: `/a\\r\\nb` is no path"),
            (&format!("{base}[shares]\n\"1\" = 50\n\"2\" = 51\n"), ":5: `shares.\"2\"`: with it the shares are 101 %"),
            (&format!("{base}[shares]\n\"1\" = 101\n"), ":4: `shares.\"1\"`: 101 is no percentage from 0 to 100"),
            (&format!("{base}[shares]\n\"1\" = 300\n"), ":4: `shares.\"1\"`: `300` is no whole number from 0 to 100"),
            (&format!("{base}[shares]\n\"1\" = -1\n"), ":4: `shares.\"1\"`: `-1` is no whole number"),
            (&format!("{base}[shares]\n\"1\" = 10.5\n"), ":4: `shares.\"1\"`: `10.5` is no whole number"),
            (&format!("{base}[shares]\n1.5 = 10\n"), ":4: `shares.\"1\"`: "),
            (&format!("{base}[shares]\n\"a b\" = 10\n"), ":4: `shares.\"a b\"`: a release is 1 to 128"),
            (&format!("{base}[shares]\n\"1\" = 1\n\"1\" = 2\n"), ":5: duplicate key"),
            (&format!("{base}shares = 10\n"), ":3: invalid type"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_page_is_named_in_lower_case_letters_digits_and_dashes() {
        let named = |file: &str| {
            PageFile::parse(Path::new(file), "routes = [\"/\"]\ninstances = []\n", &Bounds::default())
                .map(|file| file.page)
        };
        assert_eq!(named("my-account2.toml").unwrap(), "my-account2");
        for file in ["My.toml", "a b.toml", "a.b.toml", "\u{e9}.toml"] {
            assert!(named(file).unwrap_err().to_string().contains("is no page name"), "{file}");
        }
    }

    #[test]
    fn a_page_has_at_most_1000_instances() {
        let instances = |count: u16| {
            let list = (1..=count).map(|port| format!("\"127.0.0.1:{port}\"")).collect::<Vec<_>>().join(",");
            parse(&format!("routes = [\"/\"]\ninstances = [{list}]\n"))
        };
        assert_eq!(instances(1000).unwrap().instances.len(), 1000);
        assert!(instances(1001).unwrap_err().contains(":2: `instances`: more than 1000"));
    }
}
