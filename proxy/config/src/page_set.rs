//! Which of the page files that were found are in force. Pure: what reads the folder is [`crate::read_folder`], what
//! keeps good files across restarts is the proxy.
//!
//! A bad file is refused alone, and the last good one of its page stays in force: also when the operator's bounds
//! change under an unchanged file.

use crate::bounds::Bounds;
use crate::claims::Claims;
use crate::error::{ConfigError, invalid};
use crate::page_file::PageFile;
use crate::settle::Settling;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What one look at the folder found: by page, the file and its text, or why it could not be read.
pub type Look = BTreeMap<String, (PathBuf, Result<String, ConfigError>)>;

/// The page files in force, and why others are not.
#[derive(Debug, Default)]
pub struct PageSet {
    accepted: BTreeMap<String, Accepted>,
    refused: BTreeMap<String, String>,
    claims: Claims,
    bounds: Option<Bounds>,
}

/// A page file, with the text that it was parsed from.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) file: Arc<PageFile>,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Accepted {
    pub(crate) fn wrong_routes(&self, reason: String) -> ConfigError {
        invalid(&self.path, &self.text, "routes", reason)
    }
}

impl PageSet {
    /// Takes over what was found; whether anything changed, accepted or refused.
    ///
    /// A page whose file is gone is gone. Of two pages with one route, or one inside the other's and not in
    /// `nested_routes`, the one that changed is refused; if both did, the one that did not have its route before, else
    /// the later by name. Routes may move between pages in one look.
    pub fn update(&mut self, look: Look, bounds: &Bounds) -> bool {
        let same_bounds = self.bounds.as_ref() == Some(bounds);
        self.bounds = Some(bounds.clone());
        let mut changed = self.forget_all_but(&look);
        let before = std::mem::take(&mut self.refused);
        let (mut candidates, mut unchanged) = (BTreeMap::new(), Vec::new());
        for (page, (path, text)) in look {
            let in_force = |text: &String| self.accepted.get(&page).is_some_and(|last| last.text == *text);
            let is_in_force = text.as_ref().is_ok_and(in_force);
            if is_in_force && same_bounds && !before.contains_key(&page) {
                continue;
            }
            match text.and_then(|text| PageFile::parse(&path, &text, bounds).map(|file| (file, text))) {
                Err(error) => _ = self.refused.insert(page, error.to_string()),
                Ok(_) if is_in_force => unchanged.push(page),
                Ok((file, text)) => _ = candidates.insert(page, Accepted { file: Arc::new(file), path, text }),
            }
        }
        changed |= self.settle(candidates, bounds);
        for page in unchanged {
            self.refuse_if_not_listed(&page, bounds);
        }
        changed || self.refused != before
    }

    /// The pages in force, in the order of their names.
    pub fn pages(&self) -> impl ExactSizeIterator<Item = &Arc<PageFile>> {
        self.accepted.values().map(|accepted| &accepted.file)
    }

    /// By page, why its file is not in force, or why it should not be: with file and line. The page may be among
    /// [`Self::pages`] with its last good file.
    pub fn refused(&self) -> &BTreeMap<String, String> {
        &self.refused
    }

    /// The text of the file that is in force for a page.
    pub fn text_of(&self, page: &str) -> Option<&str> {
        self.accepted.get(page).map(|accepted| accepted.text.as_str())
    }

    /// For callers who want every file to be in force.
    ///
    /// # Errors
    /// The first of [`Self::refused`].
    pub fn complete(&self) -> Result<(), ConfigError> {
        self.refused.values().next().map_or(Ok(()), |reason| Err(ConfigError::Refused(reason.clone())))
    }

    fn forget_all_but(&mut self, look: &Look) -> bool {
        let claims = &mut self.claims;
        let gone = self.accepted.extract_if(.., |page, _| !look.contains_key(page));
        gone.inspect(|(page, gone)| gone.file.routes.iter().for_each(|route| claims.remove(page, route))).count() > 0
    }

    fn settle(&mut self, candidates: BTreeMap<String, Accepted>, bounds: &Bounds) -> bool {
        if candidates.is_empty() {
            return false;
        }
        let settling = Settling::new(&mut self.claims, &self.accepted, &candidates, &bounds.nested_routes);
        let mut lost = settling.run();
        let mut changed = false;
        for (page, candidate) in candidates {
            match lost.remove(&page) {
                Some(reason) => _ = self.refused.insert(page, candidate.wrong_routes(reason).to_string()),
                None => {
                    self.accepted.insert(page, candidate);
                    changed = true;
                }
            }
        }
        changed
    }

    /// A page that is there keeps its routes when `nested_routes` loses one, but is told.
    fn refuse_if_not_listed(&mut self, page: &str, bounds: &Bounds) {
        let Some(last) = self.accepted.get(page) else { return };
        let mut meetings =
            last.file.routes.iter().flat_map(|route| self.claims.meetings(page, route, &bounds.nested_routes));
        if let Some(meeting) = meetings.find(|meeting| meeting.inner() == Some(page)) {
            self.refused.insert(page.to_owned(), last.wrong_routes(meeting.reason(page)).to_string());
        }
    }
}

#[cfg(test)]
mod tests;
