//! One finished asset: its bytes, and the name, fingerprint and URL that follow from them.

use sha2::{Digest, Sha256};

use crate::{Error, content_type};

const FINGERPRINT_DIGITS: usize = 16;

/// An asset with its final bytes.
pub(crate) struct Built {
    /// Name in the bundle: `site.css`, `fonts/text.woff2`.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the bytes, in hex.
    pub(crate) sha256: String,
    pub(crate) content_type: &'static str,
}

impl Built {
    pub(crate) fn new(name: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let content_type = content_type::of(name).ok_or_else(|| Error::UnknownType { name: name.to_owned() })?;
        if !is_plain(name) || is_fingerprinted(name) {
            return Err(Error::BadName { name: name.to_owned() });
        }
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { name: name.to_owned(), bytes, sha256, content_type })
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.sha256[..FINGERPRINT_DIGITS]
    }

    /// `/assets/site.css`
    pub(crate) fn stable_url(&self) -> String {
        format!("/assets/{}", self.name)
    }

    /// `/assets/site-5d1f0c3a9b7e2468.css`
    pub(crate) fn fingerprinted_url(&self) -> String {
        let (stem, extension) = self.name.rsplit_once('.').expect("a name with a content type has an extension");
        format!("/assets/{stem}-{}.{extension}", self.fingerprint())
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

/// Whether a name could be taken for the fingerprinted one of another asset.
fn is_fingerprinted(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit_once('-').is_some_and(|(_, digits)| {
        digits.len() == FINGERPRINT_DIGITS && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}
