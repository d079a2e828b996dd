//! The folder of page files, read once. Only here are page files read from disk.

use crate::bounds::Bounds;
use crate::error::{ConfigError, Location, line_of, unreadable};
use crate::page_set::{Look, PageSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a page file; a longer one is refused without being read.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the text of every `*.toml` of a folder whose name does not begin with a dot, through symlinks, as Kubernetes
/// mounts them.
///
/// # Errors
/// Only when the folder itself can't be listed.
pub fn read_folder(folder: &Path) -> Result<Look, ConfigError> {
    let mut look = Look::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let file = entry.map_err(unreadable(folder))?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = read_text(&file);
        // Removed since it was listed. A symlink to nothing is not: it may be about to point to something.
        if text.is_err() && file.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            continue;
        }
        let page = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        look.insert(page, (file, text));
    }
    Ok(look)
}

/// The pages of a folder, for a caller who looks once.
///
/// # Errors
/// Only when the folder itself can't be listed; files are refused one by one, and [`PageSet::complete`] tells.
pub fn read_pages(folder: &Path, bounds: &Bounds) -> Result<PageSet, ConfigError> {
    let mut pages = PageSet::default();
    pages.update(read_folder(folder)?, bounds);
    Ok(pages)
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    let malformed = |line, reason: &str| ConfigError::Malformed {
        at: Location { file: file.to_owned(), line },
        reason: reason.to_owned(),
    };
    // Asked before it is opened: opening a pipe would wait for its writer.
    let metadata = file.metadata().map_err(unreadable(file))?;
    if !metadata.is_file() {
        return Err(malformed(None, "is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|open| open.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable(file))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed(None, "is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        malformed(Some(line_of(&valid, valid.len())), "is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const GOOD: &str = "routes = [\"/\"]\ninstances = []\n";

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_its_toml_files_through_kubernetes_symlinks_and_nothing_hidden() {
        let folder = folder(&[("plain.toml", b"1"), (".hidden.toml", b"2"), ("note.txt", b"3"), ("old.toml~", b"4")]);
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("..2026_11")).unwrap();
        std::fs::write(at("..2026_11/mapped.toml"), "5").unwrap();
        symlink("..2026_11", at("..data")).unwrap();
        symlink("..data/mapped.toml", at("mapped.toml")).unwrap();
        let look = read_folder(folder.path()).unwrap();
        let texts = look.iter().map(|(page, (_, text))| (page.as_str(), text.as_deref().unwrap())).collect::<Vec<_>>();
        assert_eq!(texts, [("mapped", "5"), ("plain", "1")]);
        assert!(read_folder(&at("gone")).unwrap_err().to_string().contains("gone: cannot be read"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_alone() {
        let large = vec![b'#'; (1 << 20) + 1];
        let largest = [GOOD.as_bytes(), &vec![b'#'; (1 << 20) - GOOD.len()]].concat();
        let folder = folder(&[("large.toml", &large), ("largest.toml", &largest), ("latin.toml", b"#\n#\xe9")]);
        std::fs::create_dir(folder.path().join("folder.toml")).unwrap();
        symlink("nothing", folder.path().join("dangling.toml")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.toml")).status().unwrap();
        assert!(pipe.success());
        let pages = read_pages(folder.path(), &Bounds::default()).unwrap();
        assert_eq!(pages.pages().map(|file| file.page.as_str()).collect::<Vec<_>>(), ["largest"]);
        for (page, says) in [
            ("large", "large.toml: is larger than 1 MiB"),
            ("latin", "latin.toml:2: is not UTF-8"),
            ("folder", "folder.toml: is no regular file"),
            ("pipe", "pipe.toml: is no regular file"),
            ("dangling", "dangling.toml: cannot be read: No such file"),
        ] {
            assert!(pages.refused()[page].contains(says), "{}", pages.refused()[page]);
        }
        assert_eq!(pages.refused().len(), 5);
        assert!(pages.complete().unwrap_err().to_string().contains("dangling.toml: cannot be read"));
    }
}
