//! Reads the navigation entries out of every `pages/*/page.toml`: adding a page touches only its own folder.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;

#[derive(Deserialize)]
struct Page {
    page: String,
    navigation: Option<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    label: String,
    path: String,
    order: i64,
    #[serde(default)]
    shows: Shows,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shows {
    #[default]
    Nothing,
    Basket,
    Visitor,
}

fn main() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pages");
    // A new page is a new package, which changes the lock file; to watch the folder would be to watch every source in it.
    println!("cargo::rerun-if-changed=../Cargo.lock");
    match navigation(&pages) {
        Ok(code) => {
            let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it for every build script"));
            fs::write(out.join("navigation.rs"), code).expect("cargo made the folder for this file");
        }
        Err(error) => {
            println!("cargo::error={}", error.replace('\n', " "));
            std::process::exit(1);
        }
    }
}

/// The code of the constant `NAVIGATION`.
fn navigation(pages: &Path) -> Result<String, String> {
    let mut entries = Vec::new();
    for folder in fs::read_dir(pages).map_err(|error| format!("{}: {error}", pages.display()))? {
        let file = folder.map_err(|error| error.to_string())?.path().join("page.toml");
        if !file.is_file() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let page: Page = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        if let Some(entry) = page.navigation {
            entries.push((entry.order, page.page, entry));
        }
    }
    entries.sort_by(|(order, page, _), (other_order, other_page, _)| (order, page).cmp(&(other_order, other_page)));
    let mut code = "const NAVIGATION: &[Entry] = &[\n".to_owned();
    for (_, page, entry) in entries {
        let shows = match entry.shows {
            Shows::Nothing => "",
            Shows::Basket => "basket",
            Shows::Visitor => "visitor",
        };
        code += &format!(
            "    Entry {{ page: {page:?}, label: {:?}, path: {:?}, shows: {shows:?} }},\n",
            entry.label, entry.path
        );
    }
    Ok(code + "];\n")
}
