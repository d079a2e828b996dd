//! Turns a folder of CSS, JS, images and fonts into a bundle that a page embeds: minified, fingerprinted, and with
//! constants in place of names, so that a template can only link what exists. Runs in build scripts only.
//!
//! What a file becomes is decided by where it lies in the folder:
//!
//! | source | asset |
//! |---|---|
//! | `site.css` (a stylesheet at the top) | `site.css`, with its `@import`s inlined |
//! | `css/*.css` (a stylesheet in a folder) | none of its own: it is there to be imported |
//! | `site/*.js` (a folder of scripts) | `site.js`, one module, the files joined in the order of their names |
//! | `account.js` (a script at the top) | `account.js` |
//! | any other file of a known type | itself, by its path: `fonts/text.woff2` |

mod asset;
mod content_type;
mod css;
mod error;
mod generate;
mod js;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use asset::Built;
pub use error::Error;
use error::{Read, Write};
use source::Sources;

/// Bundles `folder` of the crate that is being built; to be called from its `build.rs`. Ends the process with status 1
/// and cargo's error line if the folder can't be bundled.
pub fn build_script(folder: &str) {
    let variable = |name| PathBuf::from(env::var_os(name).expect("cargo sets it for every build script"));
    let source = variable("CARGO_MANIFEST_DIR").join(folder);
    println!("cargo::rerun-if-changed={}", source.display());
    if let Err(error) = bundle(&source, &variable("OUT_DIR")) {
        println!("cargo::error={}", error.to_string().replace('\n', " "));
        std::process::exit(1);
    }
}

/// Bundles the folder `source` into `<out>/bundle/<name>`, and `<out>/assets.rs` that names and embeds what is there.
/// Equal input gives equal bytes. What an earlier run left in `<out>/bundle` is removed.
///
/// # Errors
/// When a file can't be read or written, has a name or type that a bundle can't hold, doesn't parse, or when a
/// stylesheet refers to a file that the bundle doesn't have.
pub fn bundle(source: &Path, out: &Path) -> Result<(), Error> {
    let assets = build(&Sources::read(source)?)?;
    let target = out.join("bundle");
    if target.exists() {
        fs::remove_dir_all(&target).writing(&target)?;
    }
    for asset in assets.values() {
        let path = target.join(&asset.name);
        let folder = path.parent().expect("a path in a folder has a parent");
        fs::create_dir_all(folder).writing(folder)?;
        fs::write(&path, &asset.bytes).writing(&path)?;
    }
    let code = out.join("assets.rs");
    fs::write(&code, generate::code(&assets)?).writing(&code)
}

/// Builds every asset, stylesheets last: they hold the final URLs of the others.
fn build(sources: &Sources) -> Result<BTreeMap<String, Built>, Error> {
    let mut assets = BTreeMap::new();
    for (name, path) in &sources.copied {
        let bytes = fs::read(path).reading(path)?;
        add(&mut assets, Built::new(name, bytes)?)?;
    }
    for (name, files) in &sources.scripts {
        let code = js::module(&sources.root, files)?;
        add(&mut assets, Built::new(name, code.into_bytes())?)?;
    }
    let stylesheets = css::Stylesheets::read(sources)?;
    for (name, path) in &sources.stylesheets {
        let code = stylesheets.bundle(path, &assets)?;
        add(&mut assets, Built::new(name, code.into_bytes())?)?;
    }
    Ok(assets)
}

fn add(assets: &mut BTreeMap<String, Built>, asset: Built) -> Result<(), Error> {
    let name = asset.name.clone();
    match assets.insert(name.clone(), asset) {
        None => Ok(()),
        Some(_) => Err(Error::NameTaken { name }),
    }
}

#[cfg(test)]
mod tests;
