//! What lies in the source folder, sorted into stylesheets, scripts and files that are copied.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Read};

/// The files of a source folder, by the asset they become.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) root: PathBuf,
    /// Stylesheets at the top: asset name → file.
    pub(crate) stylesheets: BTreeMap<String, PathBuf>,
    /// Every stylesheet, imported ones included.
    pub(crate) all_css: Vec<PathBuf>,
    /// Asset name → files in the order of their names.
    pub(crate) scripts: BTreeMap<String, Vec<PathBuf>>,
    pub(crate) copied: BTreeMap<String, PathBuf>,
}

impl Sources {
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        let mut sources = Self { root: root.to_owned(), ..Self::default() };
        sources.read_folder(root)?;
        Ok(sources)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), Error> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).reading(folder)? {
            entries.push(entry.reading(folder)?.path());
        }
        entries.sort();
        for path in entries {
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            if path.is_dir() {
                self.read_folder(&path)?;
            } else {
                self.add(path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf) -> Result<(), Error> {
        let name = name(&self.root, &path);
        let folder = name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("css") => {
                self.all_css.push(path.clone());
                if folder.is_none() {
                    self.stylesheets.insert(name, path);
                }
            }
            Some("js") => {
                let module = folder.map_or(name, |folder| format!("{folder}.js"));
                let files = self.scripts.entry(module.clone()).or_default();
                let alone = path.parent() == Some(self.root.as_path());
                if files.iter().any(|file| alone || file.parent() == Some(self.root.as_path())) {
                    return Err(Error::NameTaken { name: module });
                }
                files.push(path);
            }
            _ => {
                self.copied.insert(name, path);
            }
        }
        Ok(())
    }
}

/// A file's path inside the folder, as an asset is named and as errors show it.
pub(crate) fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
