//! Page files, and how people and machines write them.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The text of a page file; `frontpage` has `/` and `/frontpage/…`, the others `/<page>` and below.
pub(crate) fn page_file(page: &str, instances: &[impl Display]) -> String {
    let root = if page == "frontpage" { "\"/\", " } else { "" };
    let quoted: Vec<_> = instances.iter().map(|instance| format!("\"{instance}\"")).collect();
    format!("routes = [{root}\"/{page}\", \"/{page}/{{*rest}}\"]\ninstances = [{}]\n", quoted.join(", "))
}

/// A folder of page files.
pub(crate) struct PageFiles {
    folder: PathBuf,
}

impl PageFiles {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn path(&self, page: &str) -> PathBuf {
        self.folder.join(format!("{page}.toml"))
    }

    /// Truncates the file and writes it anew, as an editor may; a reader can see half of it.
    pub(crate) fn write(&self, page: &str, text: &str) {
        fs::write(self.path(page), text).unwrap();
    }

    /// Writes another file and renames it, so that a reader sees the old text or the new one.
    pub(crate) fn rename_in(&self, page: &str, text: &str) {
        let other = self.folder.join(format!(".{page}.toml.new"));
        fs::write(&other, text).unwrap();
        fs::rename(other, self.path(page)).unwrap();
    }

    pub(crate) fn truncate(&self, page: &str) {
        fs::File::options().write(true).truncate(true).open(self.path(page)).unwrap();
    }

    pub(crate) fn delete(&self, page: &str) {
        fs::remove_file(self.path(page)).unwrap();
    }

    /// Replaces all of them at once, as Kubernetes does with a ConfigMap: each page file is a link through `..data`, which
    /// is a link to a folder of this generation, and is renamed over. What was before is removed.
    pub(crate) fn swap(&self, generation: u32, pages: &[(&str, String)]) {
        let (data, next) = (self.folder.join("..data"), format!("..generation_{generation}"));
        let before = fs::read_link(&data).ok();
        fs::create_dir(self.folder.join(&next)).unwrap();
        for (page, text) in pages {
            let name = format!("{page}.toml");
            fs::write(self.folder.join(&next).join(&name), text).unwrap();
            if fs::symlink_metadata(self.path(page)).is_err() {
                symlink(Path::new("..data").join(&name), self.path(page)).unwrap();
            }
        }
        let unfinished = self.folder.join("..data_tmp");
        symlink(&next, &unfinished).unwrap();
        fs::rename(unfinished, data).unwrap();
        if let Some(before) = before {
            fs::remove_dir_all(self.folder.join(before)).unwrap();
        }
    }
}
