//! What a page instance says of itself at `GET /.well-known/page.json`, as far as the proxy uses it.

use serde::Deserialize;
use std::collections::HashSet;

/// The largest manifest that is read.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_ASSETS: usize = 2_000;

/// A validated manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The build that the instance runs.
    pub release: String,
    paths: HashSet<String>,
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
}

#[derive(Deserialize)]
struct Written {
    page: String,
    release: String,
    #[serde(default)]
    assets: Vec<WrittenAsset>,
}

#[derive(Deserialize)]
struct WrittenAsset {
    path: String,
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
        let paths: HashSet<String> = written.assets.into_iter().map(|asset| asset.path).collect();
        if let Some(path) = paths.iter().find(|path| !path.starts_with(crate::asset_url::PREFIX)) {
            return Err(ManifestError::OutsideAssets(path.clone()));
        }
        Ok(Self { release, paths })
    }

    /// Whether the release has this fingerprinted path.
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The fingerprinted paths of all its assets.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(release: &str, paths: &[&str]) -> Self {
        Self { release: release.to_owned(), paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_of_the_page_that_was_asked_is_taken() {
        let good =
            br#"{"page":"front","release":"1.0","more":1,"assets":[{"name":"a","path":"/assets/a-0.css","size":3}]}"#;
        let manifest = Manifest::parse(good, "front").unwrap();
        assert_eq!(manifest.release, "1.0");
        assert!(manifest.has("/assets/a-0.css"));
        for (body, says) in [
            (&good[..], "of page `front`"),
            (br#"<!doctype html>"#, "malformed"),
            (br#"{"page":"checkout"}"#, "malformed"),
            (br#"{"page":"checkout","release":""}"#, "no release"),
            (br#"{"page":"checkout","release":"1\n2"}"#, "no release"),
            (br#"{"page":"checkout","release":"1","assets":[{"path":"/x.css"}]}"#, "`/x.css` is not under /assets/"),
        ] {
            let error = Manifest::parse(body, "checkout").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
