//! What a page instance says of itself at `GET /.well-known/page.json`, as far as the proxy uses it.

use crate::asset_url::{self, AssetUrl};
use crate::content_type;
use foldhash::HashMap;
use serde::Deserialize;
use std::sync::Arc;

/// The largest manifest that is read.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_ASSETS: usize = 2_000;

/// A validated manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The build that the instance runs.
    pub release: Arc<str>,
    /// By fingerprinted path.
    assets: HashMap<String, ManifestAsset>,
    /// Stable name to fingerprinted path.
    names: HashMap<String, String>,
}

/// One asset that a release has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ManifestAsset {
    /// The stable name, such as `site.css`.
    pub name: String,
    /// The fingerprinted path, such as `/assets/site-5d1f0c3a9b7e2468.css`.
    pub path: String,
    /// SHA-256 of the identity bytes: 64 hexadecimal digits.
    pub sha256: String,
    /// Identity bytes.
    pub size: u64,
    /// The promised media type; the table of types has the last word.
    #[serde(rename = "type")]
    pub content_type: Option<String>,
}

/// Why an answer is no manifest of the page that was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON of DESIGN section 3.
    #[error("the manifest is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The address belongs to another page.
    #[error("the manifest is of page `{0}`")]
    OtherPage(String),
    /// The release is empty, over 128 bytes, or not printable ASCII.
    #[error("the manifest's release is no release")]
    NoRelease,
    /// More than 2,000 assets.
    #[error("the manifest has {0} assets, more than 2,000")]
    TooManyAssets(usize),
    /// An asset outside `/assets/`.
    #[error("the manifest's asset `{0}` is not under /assets/")]
    OutsideAssets(String),
    /// The path does not carry the first 16 digits of the asset's own SHA-256.
    #[error("the manifest's asset `{0}` does not carry the fingerprint of its sha256")]
    Fingerprint(String),
    /// The extension is in no bundle's table, or the promised type is another than the table's.
    #[error("the manifest's asset `{path}` promises the type `{promised}`, which is not the type of its name")]
    Type {
        /// The asset.
        path: String,
        /// What the manifest says.
        promised: String,
    },
    /// Two assets with one name or one path.
    #[error("the manifest has `{0}` twice")]
    Twice(String),
}

#[derive(Deserialize)]
struct Written {
    page: String,
    release: String,
    #[serde(default)]
    assets: Vec<ManifestAsset>,
}

impl Manifest {
    /// Parses the answer of an instance of `page`.
    ///
    /// # Errors
    /// Says what is wrong; the instance gets no traffic then.
    pub fn parse(body: &[u8], page: &str) -> Result<Self, ManifestError> {
        let written: Written = serde_json::from_slice(body)?;
        if written.page != page {
            return Err(ManifestError::OtherPage(written.page));
        }
        let release = written.release;
        if release.is_empty() || release.len() > 128 || !release.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ManifestError::NoRelease);
        }
        if written.assets.len() > MAX_ASSETS {
            return Err(ManifestError::TooManyAssets(written.assets.len()));
        }
        let (mut assets, mut names) = (HashMap::default(), HashMap::default());
        for asset in written.assets {
            asset.check()?;
            if names.insert(asset.name.clone(), asset.path.clone()).is_some() {
                return Err(ManifestError::Twice(asset.name));
            }
            if let Some(other) = assets.insert(asset.path.clone(), asset) {
                return Err(ManifestError::Twice(other.path));
            }
        }
        Ok(Self { release: release.into(), assets, names })
    }

    /// Whether the release has this fingerprinted path.
    pub fn has(&self, path: &str) -> bool {
        self.assets.contains_key(path)
    }

    /// The fingerprinted path of a stable one, such as `/assets/site.css`.
    pub fn fingerprinted(&self, stable: &str) -> Option<&str> {
        self.names.get(stable.strip_prefix(asset_url::PREFIX)?).map(String::as_str)
    }

    /// The fingerprinted paths of all its assets.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.assets.keys().map(String::as_str)
    }

    /// All its assets.
    pub fn assets(&self) -> impl Iterator<Item = &ManifestAsset> {
        self.assets.values()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(release: &str, paths: &[&str]) -> Self {
        let asset = |path: &&str| {
            let path = (*path).to_owned();
            (
                path.clone(),
                ManifestAsset { name: path.clone(), path, sha256: String::new(), size: 0, content_type: None },
            )
        };
        Self { release: release.into(), assets: paths.iter().map(asset).collect(), names: HashMap::default() }
    }
}

impl ManifestAsset {
    fn check(&self) -> Result<(), ManifestError> {
        let path = || self.path.clone();
        match asset_url::parse(&self.path) {
            None => return Err(ManifestError::OutsideAssets(path())),
            Some(AssetUrl::Stable) => return Err(ManifestError::Fingerprint(path())),
            Some(AssetUrl::Fingerprinted) => {}
        }
        let hexadecimal = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let whole = self.sha256.len() == 64 && self.sha256.bytes().all(hexadecimal);
        if !whole || asset_url::fingerprint(&self.path) != Some(&self.sha256[..16]) {
            return Err(ManifestError::Fingerprint(path()));
        }
        let promised = self.content_type.clone().unwrap_or_default();
        match content_type::of(&self.path) {
            Some(known) if promised.is_empty() || content_type::is_same(known, &promised) => Ok(()),
            _ => Err(ManifestError::Type { path: path(), promised }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "5d1f0c3a9b7e24685d1f0c3a9b7e24685d1f0c3a9b7e24685d1f0c3a9b7e2468";

    fn with_asset(asset: &str) -> Result<Manifest, String> {
        let body = format!(r#"{{"page":"front","release":"1.0","more":1,"assets":[{asset}]}}"#);
        Manifest::parse(body.as_bytes(), "front").map_err(|error| error.to_string())
    }

    #[test]
    fn a_manifest_maps_names_to_paths() {
        let asset =
            format!(r#"{{"name":"a.css","path":"/assets/a-5d1f0c3a9b7e2468.css","sha256":"{SHA256}","size":3}}"#);
        let manifest = with_asset(&asset).unwrap();
        assert_eq!(&*manifest.release, "1.0");
        assert!(manifest.has("/assets/a-5d1f0c3a9b7e2468.css"));
        assert_eq!(manifest.fingerprinted("/assets/a.css"), Some("/assets/a-5d1f0c3a9b7e2468.css"));
        assert_eq!(manifest.fingerprinted("/assets/b.css"), None);
        assert!(with_asset(&format!("{asset},{asset}")).unwrap_err().contains("`a.css` twice"));
    }

    #[test]
    fn only_a_manifest_of_the_page_that_was_asked_is_taken() {
        for (body, says) in [
            (&br#"{"page":"front","release":"1"}"#[..], "of page `front`"),
            (br#"<!doctype html>"#, "malformed"),
            (br#"{"page":"checkout"}"#, "malformed"),
            (br#"{"page":"checkout","release":""}"#, "no release"),
            (br#"{"page":"checkout","release":"1\n2"}"#, "no release"),
        ] {
            let error = Manifest::parse(body, "checkout").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_asset_that_is_not_what_it_says_is_refused() {
        for (path, kind, says) in [
            ("/x-5d1f0c3a9b7e2468.css", "text/css", "not under /assets/"),
            ("/assets/x.css", "text/css", "fingerprint"),
            ("/assets/x-0000000000000000.css", "text/css", "fingerprint"),
            ("/assets/x-5d1f0c3a9b7e2468.css", "text/javascript", "promises the type `text/javascript`"),
            ("/assets/x-5d1f0c3a9b7e2468.html", "text/html", "promises the type `text/html`"),
        ] {
            let asset = format!(r#"{{"name":"x","path":"{path}","sha256":"{SHA256}","size":3,"type":"{kind}"}}"#);
            let error = with_asset(&asset).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
