//! The shared bundle: the CSS, JS, fonts and images of the whole site, built out of `bundle/`, fingerprinted and
//! embedded in every page's binary. A page's own assets use the same types, and the same rules, by `asset-bundler`.
//!
//! A constant names each asset and a field of [`Urls`] each URL, so that a name which isn't in the bundle doesn't
//! compile.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use askama::filters::HtmlSafe;
use askama::{FastWritable, Values};

// The code that asset-bundler makes says `::shared_assets`, here as in every page.
extern crate self as shared_assets;

#[doc(hidden)]
pub use rust_embed;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One file of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Name in the bundle; `/assets/<name>` is the stable URL.
    pub name: &'static str,
    /// Fingerprinted URL: `/assets/site-5d1f0c3a9b7e2468.css`.
    pub path: &'static str,
    /// First 16 hex digits of `sha256`.
    pub fingerprint: &'static str,
    /// SHA-256 of the bytes, in hex.
    pub sha256: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Media type without parameters: `text/css`.
    pub content_type: &'static str,
    /// Whether the page can't be shown as it should before it has this.
    pub preload: bool,
    /// Where the build put the bytes; use [`Asset::bytes`].
    #[doc(hidden)]
    pub file: fn() -> Option<rust_embed::EmbeddedFile>,
}

impl Asset {
    /// The bytes, which are part of the binary.
    pub fn bytes(&self) -> &'static [u8] {
        match (self.file)().expect("the constant and the file were made together").data {
            Cow::Borrowed(bytes) => bytes,
            Cow::Owned(_) => unreachable!("rust-embed's `debug-embed` puts the bytes into every build"),
        }
    }
}

/// An asset's URL, as a template writes it: it has no character that HTML would read as its own, so none is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetUrl(&'static str);

impl AssetUrl {
    /// For the code that asset-bundler makes, whose names are letters, digits, `-`, `_`, `.` and `/`.
    #[doc(hidden)]
    pub const fn new(url: &'static str) -> Self {
        Self(url)
    }

    /// The URL.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for AssetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl HtmlSafe for AssetUrl {}

impl FastWritable for AssetUrl {
    fn write_into(&self, to: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(to.write_str(self.0)?)
    }
}

/// Which of an asset's two URLs pages link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AssetUrls {
    /// `/assets/site-5d1f0c3a9b7e2468.css`: never asked for twice.
    #[default]
    Fingerprinted,
    /// `/assets/site.css`: asked for again on every page, answered by 304 while the bytes agree.
    Stable,
}

impl FromStr for AssetUrls {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fingerprinted" => Ok(Self::Fingerprinted),
            "stable" => Ok(Self::Stable),
            _ => Err("must be `fingerprinted` or `stable`"),
        }
    }
}
