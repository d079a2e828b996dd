use super::*;

/// Releases in a folder of their own, and a place to build.
struct Kept {
    parent: tempfile::TempDir,
    releases: Releases,
}

fn kept() -> Kept {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    Kept { releases: Releases::of(&folder), parent }
}

impl Kept {
    fn build(&self, text: &str) -> PathBuf {
        let program = self.parent.path().join("checkout");
        std::fs::write(&program, format!("#!/bin/sh\necho {text}\n")).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o775)).unwrap();
        program
    }

    fn keep(&self, text: &str) -> Binary {
        self.releases.keep("checkout", &self.build(text)).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.releases.folder.join("checkout")).unwrap();
        let mut ids: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        ids.sort();
        ids
    }

    fn roll_out(&self, from: &Binary, to: &Binary) {
        self.releases.rolled_out("checkout", run(to), run(from)).unwrap();
        self.releases.prune("checkout", &[&to.id, &from.id]).unwrap();
    }
}

fn run(binary: &Binary) -> Run {
    Run { binary: binary.id.clone(), release: format!("0.1.0+{}", binary.id), since: now() }
}

#[test]
fn a_kept_program_runs_as_it_was_whatever_is_built_later() {
    let kept = kept();
    let plum = kept.keep("plum");
    assert_eq!(plum.id.len(), 12);
    assert!(plum.program.ends_with(format!(".fleet/releases/checkout/{}/checkout", plum.id)));
    let fig = kept.keep("fig");
    assert_ne!(fig.id, plum.id);
    let said = std::process::Command::new("sh").arg(&plum.program).output().unwrap();
    assert_eq!(said.stdout, b"plum\n");
    assert_eq!(kept.keep("plum"), plum, "a build that is known is not copied again");
    assert_eq!(kept.ids().len(), 2);
}

#[test]
fn only_a_program_can_be_kept() {
    let kept = kept();
    let program = kept.build("plum");
    std::fs::set_permissions(&program, Permissions::from_mode(0o644)).unwrap();
    let refused = kept.releases.keep("checkout", &program).unwrap_err().to_string();
    assert!(refused.ends_with("checkout: is not an executable file"), "{refused}");
    let missing = kept.releases.keep("checkout", Path::new("/no/such")).unwrap_err().to_string();
    assert!(missing.starts_with("/no/such: No such file"), "{missing}");
    assert!(kept.releases.keep("checkout", kept.parent.path()).is_err());
    assert!(kept.releases.record("checkout").unwrap().is_none());
}

#[test]
fn the_record_says_what_runs_and_what_ran_before_and_a_rollback_swaps_them() {
    let kept = kept();
    let [fig, plum] = ["fig", "plum"].map(|text| kept.keep(text));
    kept.roll_out(&fig, &plum);
    let record = kept.releases.record("checkout").unwrap().unwrap();
    assert_eq!((record.running.binary.as_str(), record.before[0].binary.as_str()), (&*plum.id, &*fig.id));
    kept.roll_out(&plum, &fig);
    let record = kept.releases.record("checkout").unwrap().unwrap();
    assert_eq!(record.running.binary, fig.id);
    assert_eq!(record.before.iter().map(|run| &run.binary).collect::<Vec<_>>(), [&plum.id]);
    kept.releases.forget("checkout").unwrap();
    assert!(kept.releases.record("checkout").unwrap().is_none());
}

#[test]
fn the_last_five_programs_are_kept_and_none_that_runs_is_removed() {
    let kept = kept();
    let mut running = kept.keep("build 0");
    let mut ids = vec![running.id.clone()];
    for number in 1..8 {
        kept.keep("a build that failed");
        let next = kept.keep(&format!("build {number}"));
        kept.roll_out(&running, &next);
        running = next;
        ids.push(running.id.clone());
    }
    let mut expected = ids.split_off(3);
    expected.sort();
    assert_eq!(kept.ids(), expected);
    let first = kept.keep("build 0");
    kept.releases.prune("checkout", &[&running.id, &first.id]).unwrap();
    assert!(first.program.is_file() && kept.ids().len() == 6);
}

#[test]
fn a_record_that_cannot_be_read_is_told_with_its_file_and_the_way_out() {
    let kept = kept();
    folder::write(&kept.releases.record_file("checkout"), "{\"running\":").unwrap();
    let error = kept.releases.record("checkout").unwrap_err().to_string();
    assert!(error.contains("releases/checkout.json: ") && error.contains("--fresh"), "{error}");
}
