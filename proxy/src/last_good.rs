//! The page files that are in force, kept so that a bad file changes nothing across a restart either.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that keeps them: `<state>/pages/<page>.toml`.
#[derive(Debug)]
pub struct LastGood {
    folder: PathBuf,
    kept: HashMap<String, String>,
}

impl LastGood {
    /// Reads what is kept in the proxy's `state` folder.
    pub fn open(state: &Path) -> Self {
        let folder = state.join("pages");
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let read = |path: PathBuf| Some((path.file_stem()?.to_str()?.to_owned(), fs::read_to_string(&path).ok()?));
        Self { kept: files.filter_map(read).collect(), folder }
    }

    /// The text that was in force last for a page.
    pub fn of(&self, page: &str) -> Option<&str> {
        self.kept.get(page).map(String::as_str)
    }

    /// Keeps exactly these texts, by page.
    pub fn keep(&mut self, in_force: HashMap<String, String>) {
        let gone = self.kept.keys().filter(|page| !in_force.contains_key(*page));
        for page in gone {
            if let Err(error) = fs::remove_file(self.file(page)).or_else(gone_is_fine) {
                tracing::error!(page, %error, "the kept file of a page that is gone is not removed");
            }
        }
        for (page, text) in in_force.iter().filter(|(page, text)| self.of(page) != Some(text)) {
            if let Err(error) = self.write(page, text) {
                tracing::error!(page, %error, "the page file in force is not kept: a bad one after a restart puts the page out");
            }
        }
        self.kept = in_force;
    }

    fn write(&self, page: &str, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let part = self.folder.join(format!("{page}.{}.part", std::process::id()));
        fs::write(&part, text)?;
        fs::rename(part, self.file(page))
    }

    fn file(&self, page: &str) -> PathBuf {
        self.folder.join(format!("{page}.toml"))
    }
}

fn gone_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_there_after_a_restart_and_no_more() {
        let state = tempfile::tempdir().unwrap();
        let texts = |pages: &[(&str, &str)]| -> HashMap<_, _> {
            pages.iter().map(|(page, text)| ((*page).to_owned(), (*text).to_owned())).collect()
        };
        LastGood::open(state.path()).keep(texts(&[("one", "1"), ("two", "2")]));
        let mut again = LastGood::open(state.path());
        assert_eq!((again.of("one"), again.of("two")), (Some("1"), Some("2")));
        again.keep(texts(&[("one", "1b")]));
        let again = LastGood::open(state.path());
        assert_eq!((again.of("one"), again.of("two")), (Some("1b"), None));
    }
}
