//! Which programs a fleet runs: copies of what was built, but a page that was rolled out goes on with what it was rolled
//! out to, whatever is built since.

use crate::builder::{PROXY, Programs};
use crate::error::Error;
use crate::layout::Page;
use crate::progress;
use crate::releases::{Binary, Releases};
use std::collections::BTreeMap;

/// The programs of a fleet.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// All of them; services run where they were built.
    pub(crate) programs: Programs,
    /// Of each page.
    pub(crate) pages: BTreeMap<String, Binary>,
}

impl Chosen {
    /// Copies what was built, and chooses. With `fresh`, rollouts are forgotten.
    pub(crate) fn of(releases: &Releases, pages: &[Page], mut built: Programs, fresh: bool) -> Result<Self, Error> {
        let mut chosen = BTreeMap::new();
        for Page { name, .. } in pages {
            let of_the_build = releases.keep(name, &built.named(name)?)?;
            if fresh {
                releases.forget(name)?;
            }
            let binary = rolled_out(releases, name, &of_the_build)?.unwrap_or(of_the_build);
            releases.prune(name, &[&binary.id])?;
            built.replace(name, binary.program.clone());
            chosen.insert(name.clone(), binary);
        }
        let proxy = releases.keep("proxy", &built.named(PROXY)?)?;
        releases.prune("proxy", &[&proxy.id])?;
        built.replace(PROXY, proxy.program);
        Ok(Self { programs: built, pages: chosen })
    }
}

/// What a page was rolled out to, if that is not what was built.
fn rolled_out(releases: &Releases, page: &str, built: &Binary) -> Result<Option<Binary>, Error> {
    let Some(record) = releases.record(page)? else { return Ok(None) };
    let binary = releases.binary(page, record.running.binary);
    if binary.id == built.id {
        return Ok(None);
    }
    let (release, since) = (record.running.release, record.running.since);
    if !binary.program.is_file() {
        progress::step(page, format_args!("release {release} was rolled out, but is gone: what was built runs"));
        releases.forget(page)?;
        return Ok(None);
    }
    let way_back = "what was built runs with `cargo fleet up --fresh`";
    progress::step(page, format_args!("runs release {release}, rolled out {since}; {way_back}"));
    Ok(Some(binary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;
    use crate::releases::{Run, now};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    struct Workspace {
        parent: tempfile::TempDir,
        releases: Releases,
    }

    fn workspace() -> Workspace {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path());
        folder.create().unwrap();
        Workspace { releases: Releases::of(&folder), parent }
    }

    impl Workspace {
        fn build(&self, text: &str) -> Programs {
            for name in ["checkout", PROXY, "catalog"] {
                let program = self.parent.path().join(name);
                std::fs::write(&program, format!("#!/bin/sh\n# {text}\n")).unwrap();
                std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            Programs::in_folder(self.parent.path(), &["checkout", PROXY, "catalog"])
        }

        fn choose(&self, text: &str, fresh: bool) -> (Binary, Programs) {
            let pages = [Page { name: "checkout".to_owned(), routes: vec!["/checkout".to_owned()] }];
            let chosen = Chosen::of(&self.releases, &pages, self.build(text), fresh).unwrap();
            (chosen.pages["checkout"].clone(), chosen.programs)
        }
    }

    fn text(program: &Path) -> String {
        std::fs::read_to_string(program).unwrap()
    }

    #[test]
    fn a_page_that_was_never_rolled_out_runs_a_copy_of_what_was_built() {
        let workspace = workspace();
        let (first, _) = workspace.choose("plum", false);
        let (second, programs) = workspace.choose("fig", false);
        assert_ne!(first.id, second.id);
        assert!(!first.program.exists(), "nothing can run it any more");
        assert_eq!(programs.named("checkout").unwrap(), second.program);
        assert!(programs.named(PROXY).unwrap().starts_with(workspace.parent.path().join(".fleet/releases/proxy")));
        workspace.build("quince");
        assert!(text(&second.program).contains("fig") && text(&programs.named(PROXY).unwrap()).contains("fig"));
    }

    #[test]
    fn a_rollout_outlives_the_next_build_until_it_is_forgotten() {
        let workspace = workspace();
        let (built, _) = workspace.choose("plum", false);
        workspace.build("fig");
        let fig = workspace.releases.keep("checkout", &workspace.parent.path().join("checkout")).unwrap();
        let run = |binary: &Binary| Run { binary: binary.id.clone(), release: "1".to_owned(), since: now() };
        workspace.releases.rolled_out("checkout", run(&fig), run(&built)).unwrap();
        assert_eq!(workspace.choose("quince", false).0, fig);
        assert!(built.program.exists(), "it is what a rollback goes back to");
        std::fs::remove_file(&fig.program).unwrap();
        assert!(text(&workspace.choose("quince", false).0.program).contains("quince"));
        workspace.releases.rolled_out("checkout", run(&built), run(&fig)).unwrap();
        assert!(text(&workspace.choose("pear", true).0.program).contains("pear"));
        assert_eq!(workspace.releases.record("checkout").unwrap(), None);
    }
}
