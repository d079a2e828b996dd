//! The Rust code of a bundle: a constant and a URL for each asset, and the bytes, embedded. The crate that includes it
//! depends on `shared-assets`, which has the type `Asset`.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Error;
use crate::asset::Built;
use crate::content_type::preloaded;

const EMBED: &str = r#"// Made by asset-bundler.

#[derive(::shared_assets::rust_embed::Embed)]
#[crate_path = "::shared_assets::rust_embed"]
#[folder = "$OUT_DIR/bundle"]
struct Files;
"#;

/// A binary includes the code in a private module, and need not use all of it.
const LINTS: &str = "#[allow(dead_code, unreachable_pub)]";

/// The text of `assets.rs`.
pub(crate) fn code(assets: &BTreeMap<String, Built>) -> Result<String, Error> {
    let identifiers = identifiers(assets)?;
    let mut code = EMBED.to_owned();
    for (identifier, asset) in &identifiers {
        constant(&mut code, identifier, asset).expect("a string takes what is written to it");
    }
    let names: Vec<_> = identifiers.keys().map(|identifier| identifier.to_uppercase()).collect();
    let all = format!(
        "\n/// Every asset of the bundle.\n{LINTS}\npub const ALL: &[::shared_assets::Asset] = &[{}];\n",
        names.join(", ")
    );
    code.push_str(&all);
    urls(&mut code, &identifiers).expect("a string takes what is written to it");
    Ok(code)
}

/// The assets by a name that Rust takes: `site_css`, `fonts_text_woff2`.
fn identifiers(assets: &BTreeMap<String, Built>) -> Result<BTreeMap<String, &Built>, Error> {
    let mut identifiers = BTreeMap::new();
    for (name, asset) in assets {
        let mut identifier = name.replace(['/', '.', '-'], "_");
        if identifier.starts_with(|c: char| c.is_ascii_digit()) {
            identifier.insert(0, '_');
        }
        if identifiers.insert(identifier.clone(), asset).is_some() {
            return Err(Error::NameTaken { name: identifier });
        }
    }
    Ok(identifiers)
}

fn constant(code: &mut String, identifier: &str, asset: &Built) -> std::fmt::Result {
    let name = &asset.name;
    writeln!(code, "\n/// `{name}`\n{LINTS}")?;
    writeln!(code, "pub const {}: ::shared_assets::Asset = ::shared_assets::Asset {{", identifier.to_uppercase())?;
    writeln!(code, "    name: {name:?},")?;
    writeln!(code, "    path: {:?},", asset.fingerprinted_url())?;
    writeln!(code, "    fingerprint: {:?},", asset.fingerprint())?;
    writeln!(code, "    sha256: {:?},", asset.sha256)?;
    writeln!(code, "    size: {},", asset.bytes.len())?;
    writeln!(code, "    content_type: {:?},", asset.content_type)?;
    writeln!(code, "    preload: {},", preloaded(asset.content_type))?;
    writeln!(code, "    file: || Files::get({name:?}),")?;
    writeln!(code, "}};")
}

fn urls(code: &mut String, identifiers: &BTreeMap<String, &Built>) -> std::fmt::Result {
    writeln!(code, "\n/// The URLs of the bundle's assets, as a page links them.")?;
    writeln!(code, "{LINTS}\n#[derive(Debug, Clone, Copy)]\npub struct Urls {{")?;
    for (identifier, asset) in identifiers {
        writeln!(code, "    /// `{}`\n    pub {identifier}: ::shared_assets::AssetUrl,", asset.name)?;
    }
    writeln!(code, "}}\n\n{LINTS}\nimpl Urls {{")?;
    writeln!(code, "    /// The URLs of the kind that the page is configured to link.")?;
    writeln!(code, "    pub const fn new(linked: ::shared_assets::AssetUrls) -> Self {{")?;
    writeln!(code, "        match linked {{")?;
    writeln!(code, "            ::shared_assets::AssetUrls::Fingerprinted => Self::fingerprinted(),")?;
    writeln!(code, "            ::shared_assets::AssetUrls::Stable => Self::stable(),")?;
    writeln!(code, "        }}\n    }}\n")?;
    constructor(code, "fingerprinted", "The URLs that name the bytes.", identifiers, Built::fingerprinted_url)?;
    writeln!(code)?;
    constructor(code, "stable", "The URLs that are the same in every build.", identifiers, Built::stable_url)?;
    writeln!(code, "}}")
}

fn constructor(
    code: &mut String,
    name: &str,
    doc: &str,
    identifiers: &BTreeMap<String, &Built>,
    url: fn(&Built) -> String,
) -> std::fmt::Result {
    writeln!(code, "    /// {doc}\n    pub const fn {name}() -> Self {{\n        Self {{")?;
    for (identifier, asset) in identifiers {
        writeln!(code, "            {identifier}: ::shared_assets::AssetUrl::new({:?}),", url(asset))?;
    }
    writeln!(code, "        }}\n    }}")
}
