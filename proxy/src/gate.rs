//! The gate: a release gets traffic only when every asset of its manifest, and what its CSS references, is in the vault,
//! byte for byte what the manifest promises.

use crate::asset_url;
use crate::content_type;
use crate::css_references;
use crate::manifest::{Manifest, ManifestAsset};
use crate::vault::disk::{IndexEntry, hex_sha256};
use crate::vault::{Vault, VaultError, Verified};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use http::header;
use pagefleet_config::VaultLimits;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Assets of one release that are fetched at the same time.
const AT_ONCE: usize = 8;
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Fetches assets from instances, checks them, and fills the vault.
#[derive(Debug, Clone)]
pub struct Gate {
    client: reqwest::Client,
    /// Where what was checked goes.
    pub vault: Arc<Vault>,
    limits: VaultLimits,
}

/// Why a release is refused. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The instance answers something else than 200.
    #[error("{path}: missing (status {status})")]
    Missing {
        /// The asset.
        path: String,
        /// What was answered.
        status: u16,
    },
    /// The answer did not come, or broke off.
    #[error("{path}: not received whole: {reason}")]
    Truncated {
        /// The asset.
        path: String,
        /// What happened.
        reason: String,
    },
    /// The answer is an HTML document.
    #[error("{path}: HTML in place of the asset")]
    Html {
        /// The asset.
        path: String,
    },
    /// The answer is of another type than its name promises.
    #[error("{path}: of type `{found}`, not `{promised}`")]
    Type {
        /// The asset.
        path: String,
        /// The answer's `content-type`.
        found: String,
        /// The type of the name.
        promised: String,
    },
    /// The bytes are not as many as the manifest says.
    #[error("{path}: {found} bytes, not {promised}")]
    Size {
        /// The asset.
        path: String,
        /// Bytes received.
        found: u64,
        /// Bytes promised.
        promised: u64,
    },
    /// The bytes are not those of the hash.
    #[error("{path}: its bytes are not those of its fingerprint")]
    Hash {
        /// The asset.
        path: String,
    },
    /// Over a cap.
    #[error("{what}: {bytes} bytes, more than {cap}")]
    TooLarge {
        /// The asset, or the release as a whole.
        what: String,
        /// Its bytes.
        bytes: u64,
        /// What is allowed.
        cap: u64,
    },
    /// A stylesheet references an asset that the release does not have.
    #[error("{css}: references {reference}, which is not in the manifest")]
    Dangling {
        /// The stylesheet.
        css: String,
        /// As written there.
        reference: String,
    },
    /// Another instance runs the same release with other assets.
    #[error("release {0} has another manifest on another instance")]
    TwoManifests(String),
    /// The vault does not take them.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Gate {
    /// A gate in front of this vault.
    ///
    /// # Errors
    /// When the HTTP client can't be built.
    pub fn new(vault: Arc<Vault>, limits: VaultLimits) -> reqwest::Result<Self> {
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(redirects).no_proxy().build()?;
        Ok(Self { client, vault, limits })
    }

    /// Fills the vault with what a release has, or says why not. `live` are the paths that other releases need.
    ///
    /// # Errors
    /// The first asset that is not as promised. What was good of the others stays out too.
    pub async fn admit(
        &self,
        address: SocketAddr,
        page: &str,
        manifest: &Manifest,
        live: HashSet<String>,
    ) -> Result<(), Refusal> {
        let total: u64 = manifest.assets().map(|asset| asset.size).sum();
        if total > self.limits.page_bytes {
            let what = format!("release {}", manifest.release);
            return Err(Refusal::TooLarge { what, bytes: total, cap: self.limits.page_bytes });
        }
        let missing = manifest.assets().filter(|asset| self.vault.sha256(&asset.path).as_ref() != Some(&asset.sha256));
        let fetches: Vec<_> = missing.map(|asset| self.fetch_promised(address, page, manifest, asset)).collect();
        let fetched: Vec<Verified> =
            futures_util::stream::iter(fetches).buffer_unordered(AT_ONCE).try_collect().await?;
        self.check_stylesheets(manifest, &fetched).await?;
        let live = live.into_iter().chain(manifest.paths().map(str::to_owned)).collect();
        self.vault.admit(fetched, live).await?;
        Ok(())
    }

    async fn fetch_promised(
        &self,
        address: SocketAddr,
        page: &str,
        manifest: &Manifest,
        asset: &ManifestAsset,
    ) -> Result<Verified, Refusal> {
        let path = || asset.path.clone();
        if asset.size > self.limits.asset_bytes {
            return Err(Refusal::TooLarge { what: path(), bytes: asset.size, cap: self.limits.asset_bytes });
        }
        let bytes = self.fetch(address, &asset.path).await?;
        if bytes.len() as u64 != asset.size {
            return Err(Refusal::Size { path: path(), found: bytes.len() as u64, promised: asset.size });
        }
        if hex_sha256(&bytes) != asset.sha256 {
            return Err(Refusal::Hash { path: path() });
        }
        let (sha256, size) = (asset.sha256.clone(), asset.size);
        let entry =
            IndexEntry { path: path(), sha256, size, page: page.to_owned(), release: manifest.release.to_string() };
        Ok(Verified { entry, bytes })
    }

    /// Fetches one asset that no manifest promises, and takes it in when its URL's fingerprint is that of its bytes.
    ///
    /// # Errors
    /// Says why it was not taken in; then it must not be kept by anyone.
    pub async fn fill(
        &self,
        address: SocketAddr,
        page: &str,
        path: &str,
        live: HashSet<String>,
    ) -> Result<(), Refusal> {
        let bytes = self.fetch(address, path).await?;
        let sha256 = hex_sha256(&bytes);
        if asset_url::fingerprint(path) != Some(&sha256[..16]) {
            return Err(Refusal::Hash { path: path.to_owned() });
        }
        let (path, size, release) = (path.to_owned(), bytes.len() as u64, String::new());
        let entry = IndexEntry { path, sha256, size, page: page.to_owned(), release };
        self.vault.admit(vec![Verified { entry, bytes }], live).await?;
        Ok(())
    }

    /// The identity bytes of an asset, if the answer can be one at all.
    async fn fetch(&self, address: SocketAddr, path: &str) -> Result<Bytes, Refusal> {
        let truncated =
            |error: &dyn std::error::Error| Refusal::Truncated { path: path.to_owned(), reason: root_cause(error) };
        let request = self.client.get(format!("http://{address}{path}")).header(header::ACCEPT_ENCODING, "identity");
        let mut answer = request.send().await.map_err(|error| truncated(&error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(Refusal::Missing { path: path.to_owned(), status: answer.status().as_u16() });
        }
        check_type(path, answer.headers())?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| truncated(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > self.limits.asset_bytes {
                let (bytes, cap) = (bytes.len() as u64, self.limits.asset_bytes);
                return Err(Refusal::TooLarge { what: path.to_owned(), bytes, cap });
            }
        }
        if content_type::looks_like_html(&bytes) {
            return Err(Refusal::Html { path: path.to_owned() });
        }
        Ok(bytes.freeze())
    }

    /// What a stylesheet asks for under `/assets/` must be in the manifest: its Referer names no page, so nobody could
    /// tell whose it is.
    async fn check_stylesheets(&self, manifest: &Manifest, fetched: &[Verified]) -> Result<(), Refusal> {
        for asset in manifest.assets().filter(|asset| asset.path.ends_with(".css")) {
            let new =
                fetched.iter().find(|fetched| fetched.entry.path == asset.path).map(|fetched| fetched.bytes.clone());
            let Some(bytes) = (match new {
                Some(bytes) => Some(bytes),
                None => self.vault.held(&asset.path).await.map(|held| held.identity.bytes.clone()),
            }) else {
                continue;
            };
            if let Some(reference) = dangling(&asset.path, &String::from_utf8_lossy(&bytes), manifest) {
                return Err(Refusal::Dangling { css: asset.path.clone(), reference });
            }
        }
        Ok(())
    }
}

/// The first reference of a stylesheet to an asset of ours that the manifest does not have.
fn dangling(css_path: &str, css: &str, manifest: &Manifest) -> Option<String> {
    // Any origin does: a reference that leaves it is not ours to hold.
    let base = Url::parse("http://site.invalid").and_then(|site| site.join(css_path)).ok()?;
    css_references::of(css).into_iter().find(|reference| {
        let Ok(url) = base.join(reference) else { return true };
        let ours = url.origin() == base.origin() && url.path().starts_with(asset_url::PREFIX);
        ours && !manifest.has(url.path()) && manifest.fingerprinted(url.path()).is_none()
    })
}

fn check_type(path: &str, headers: &http::HeaderMap) -> Result<(), Refusal> {
    let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes() != b"identity");
    if encoded {
        return Err(Refusal::Truncated {
            path: path.to_owned(),
            reason: "encoded, though identity was asked for".to_owned(),
        });
    }
    let found = headers.get(header::CONTENT_TYPE).and_then(|found| found.to_str().ok()).unwrap_or_default();
    let promised = content_type::of(path).unwrap_or_default();
    if content_type::is_unnamed(found) || content_type::is_same(promised, found) {
        return Ok(());
    }
    if content_type::is_same("text/html", found) {
        return Err(Refusal::Html { path: path.to_owned() });
    }
    Err(Refusal::Type { path: path.to_owned(), found: found.to_owned(), promised: promised.to_owned() })
}

/// What is at the bottom of an error: the rest only says that a request failed.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stylesheet_may_ask_only_for_what_the_release_has() {
        let manifest = Manifest::for_tests("1", &["/assets/a-0000000000000000.svg"]);
        for (css, found) in [
            ("a{background:url(/assets/a-0000000000000000.svg#x)}", None),
            ("a{background:url(a-0000000000000000.svg)}", None),
            ("a{background:url(../assets/a-0000000000000000.svg?v)}", None),
            ("a{background:url(https://cdn.example/assets/b.svg)}", None),
            ("a{background:url(/images/b.svg)}", None),
            ("a{background:url(b-0000000000000000.svg)}", Some("b-0000000000000000.svg")),
            ("@import '/assets/c.css';", Some("/assets/c.css")),
        ] {
            assert_eq!(dangling("/assets/site-1111111111111111.css", css, &manifest).as_deref(), found, "{css}");
        }
    }
}
