//! `--check`: the gate that a proxy puts before a release, held against the page's own binary.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use shared_assets::Asset;

use crate::assets::Assets;

/// Why a proxy would refuse this build.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("{name}: {actual} bytes instead of {expected}")]
    Size { name: &'static str, expected: usize, actual: usize },
    #[error("{name}: the bytes are not those of {path}")]
    Hash { name: &'static str, path: &'static str },
    #[error("{name} refers to {url}, which is no asset of this page")]
    Reference { name: &'static str, url: String },
}

/// Verifies size and hash of every asset, and that the page has all that its stylesheets refer to.
pub(crate) fn check(assets: &Assets) -> Result<(), Rejected> {
    let paths: HashSet<&str> = assets.all().iter().map(|asset| asset.path).collect();
    for asset in assets.all() {
        check_bytes(asset)?;
        if asset.content_type == "text/css" {
            check_references(asset, &paths)?;
        }
    }
    Ok(())
}

fn check_bytes(asset: &Asset) -> Result<(), Rejected> {
    let bytes = asset.bytes();
    if bytes.len() != asset.size {
        return Err(Rejected::Size { name: asset.name, expected: asset.size, actual: bytes.len() });
    }
    let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let named = format!("-{}.", asset.fingerprint);
    if sha256 != asset.sha256 || !sha256.starts_with(asset.fingerprint) || !asset.path.contains(&named) {
        return Err(Rejected::Hash { name: asset.name, path: asset.path });
    }
    Ok(())
}

/// The bundler writes every reference to an asset as `url(/assets/…)`.
fn check_references(asset: &Asset, paths: &HashSet<&str>) -> Result<(), Rejected> {
    let css = String::from_utf8_lossy(asset.bytes());
    for rest in css.split("url(/assets/").skip(1) {
        let end = rest.find(['?', '#', ')']).unwrap_or(rest.len());
        let url = format!("/assets/{}", &rest[..end]);
        if !paths.contains(url.as_str()) {
            return Err(Rejected::Reference { name: asset.name, url });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(assets: &'static [Asset]) -> Result<(), Rejected> {
        check(&Assets::new(&[assets]).unwrap())
    }

    #[test]
    fn the_shared_bundle_passes() {
        assert_eq!(checked(shared_assets::ALL), Ok(()));
    }

    #[test]
    fn other_bytes_and_missing_references_are_rejected() {
        const TRUNCATED: &[Asset] = &[Asset { size: 1, ..shared_assets::SITE_JS }];
        assert!(matches!(checked(TRUNCATED), Err(Rejected::Size { name: "site.js", expected: 1, .. })));
        const EXCHANGED: &[Asset] = &[Asset { sha256: "00", ..shared_assets::SITE_JS }];
        assert!(matches!(checked(EXCHANGED), Err(Rejected::Hash { name: "site.js", .. })));
        const ALONE: &[Asset] = &[shared_assets::SITE_CSS];
        assert!(matches!(checked(ALONE), Err(Rejected::Reference { name: "site.css", .. })));
    }
}
