//! `.fleet/releases/`: the programs that run and ran, so that a build never changes what a crashed instance is started
//! with, and for each page that was rolled out the record of what runs and what ran before. A program is named by the first
//! 12 hex digits of its SHA-256 and is a copy, written whole.

use crate::builder::PROXY;
use crate::error::Error;
use crate::folder::{self, Folder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How many programs of a page that was rolled out are kept: the one that runs, and those before it.
const KEPT: usize = 5;
const ID_BYTES: usize = 6;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Releases {
    folder: PathBuf,
}

/// A program that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binary {
    /// 12 hex digits.
    pub(crate) id: String,
    /// The copy.
    pub(crate) program: PathBuf,
}

/// What is known of the rollouts of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What every visitor gets.
    pub(crate) running: Run,
    /// What ran before, the latest first.
    pub(crate) before: Vec<Run>,
}

/// A release that has, or had, all visitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The program's id.
    pub(crate) binary: String,
    /// As its manifest said.
    pub(crate) release: String,
    /// Since when it had all visitors.
    pub(crate) since: Timestamp,
}

/// The time of a step, to the second.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

impl Releases {
    /// Of a fleet's folder.
    pub(crate) fn of(folder: &Folder) -> Self {
        Self { folder: folder.releases() }
    }

    /// Keeps a copy of a program of `owner`, a page or `proxy`, if there is none yet.
    pub(crate) fn keep(&self, owner: &str, source: &Path) -> Result<Binary, Error> {
        if !crate::preflight::is_executable(source) {
            std::fs::metadata(source).map_err(Error::at(source))?;
            return Err(Error::NotExecutable(source.to_owned()));
        }
        let kept = self.binary(owner, id_of(source)?);
        if kept.program.is_file() {
            return Ok(kept);
        }
        let unfinished = self.folder.join(owner).join(format!("unfinished-{:08x}", rand::random::<u32>()));
        folder::create(&unfinished)?;
        let copy = unfinished.join(program_name(owner));
        std::fs::copy(source, &copy).map_err(Error::at(source))?;
        std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).map_err(Error::at(&copy))?;
        // A build may have replaced the source since it was looked at.
        let kept = self.binary(owner, id_of(&copy)?);
        let folder = kept.program.parent().expect("a program is in its folder");
        match std::fs::rename(&unfinished, folder) {
            Err(_) if kept.program.is_file() => std::fs::remove_dir_all(&unfinished).map_err(Error::at(&unfinished))?,
            renamed => renamed.map_err(Error::at(folder))?,
        }
        Ok(kept)
    }

    /// The program of that id, which need not be there.
    pub(crate) fn binary(&self, owner: &str, id: String) -> Binary {
        let program = self.folder.join(owner).join(&id).join(program_name(owner));
        Binary { id, program }
    }

    /// The record of a page, if it was rolled out.
    pub(crate) fn record(&self, page: &str) -> Result<Option<Record>, Error> {
        let file = self.record_file(page);
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::at(&file))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| Error::Record { file, reason: error.to_string() })
    }

    /// Records that `running` has all visitors, which `replaced` had before.
    pub(crate) fn rolled_out(&self, page: &str, running: Run, replaced: Run) -> Result<(), Error> {
        let mut before = self.record(page)?.map(|record| record.before).unwrap_or_default();
        before.retain(|run| run.binary != running.binary && run.binary != replaced.binary);
        before.insert(0, replaced);
        before.truncate(KEPT - 1);
        let text = serde_json::to_string_pretty(&Record { running, before }).expect("strings can be written as JSON");
        folder::write(&self.record_file(page), &text)
    }

    /// Forgets the rollouts of a page.
    pub(crate) fn forget(&self, page: &str) -> Result<(), Error> {
        let file = self.record_file(page);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(Error::at(&file)),
        }
    }

    /// Removes the programs of `owner` that neither run, as those of the ids in `running` do, nor are in its record.
    pub(crate) fn prune(&self, owner: &str, running: &[&str]) -> Result<(), Error> {
        let record = self.record(owner)?;
        let recorded = record.iter().flat_map(|record| std::iter::once(&record.running).chain(&record.before));
        let kept: Vec<&str> = recorded.map(|run| run.binary.as_str()).chain(running.iter().copied()).collect();
        let folder = self.folder.join(owner);
        for entry in std::fs::read_dir(&folder).map_err(Error::at(&folder))? {
            let path = entry.map_err(Error::at(&folder))?.path();
            if !kept.iter().any(|id| path.file_name().is_some_and(|name| name == *id)) {
                std::fs::remove_dir_all(&path).map_err(Error::at(&path))?;
            }
        }
        Ok(())
    }

    fn record_file(&self, page: &str) -> PathBuf {
        self.folder.join(format!("{page}.json"))
    }
}

fn program_name(owner: &str) -> &str {
    if owner == "proxy" { PROXY } else { owner }
}

fn id_of(program: &Path) -> Result<String, Error> {
    let mut file = File::open(program).map_err(Error::at(program))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 64 << 10];
    loop {
        match file.read(&mut part).map_err(Error::at(program))? {
            0 => break,
            length => hash.update(&part[..length]),
        }
    }
    Ok(hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
