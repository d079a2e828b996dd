use super::*;
use crate::readiness;
use crate::sockets::Sockets;
use crate::state_file::Kind;
use std::path::Path;

/// A site with one page of two instances, none of whose processes runs.
pub(crate) fn site(folder: &Folder) -> Arc<Site> {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let spec = |name: &str, kind| Spec {
        name: name.to_owned(),
        kind,
        page: (kind == Kind::Page).then(|| "checkout".to_owned()),
        address: nowhere,
        program: "/bin/sh".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        sockets: Sockets::default(),
    };
    let plan = Plan {
        services: Vec::new(),
        pages: ["checkout-1", "checkout-2"].map(|name| spec(name, Kind::Page)).to_vec(),
        proxy: spec("proxy", Kind::Proxy),
    };
    let client = readiness::client().unwrap();
    let supervisor = Arc::new(Supervisor::new(folder.clone(), nowhere, nowhere, client.clone()).unwrap());
    let pages = [Page { name: "checkout".to_owned(), routes: vec!["/checkout".to_owned()] }];
    let binaries = [("checkout".to_owned(), binary("0123456789ab"))].into();
    Arc::new(Site::new(supervisor, folder.clone(), (client, nowhere), (&plan, &pages, &binaries)))
}

fn binary(id: &str) -> Binary {
    Binary { id: id.to_owned(), program: Path::new("/releases").join(id) }
}

fn in_a_folder() -> (tempfile::TempDir, Arc<Site>) {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::new(parent.path());
    folder.create().unwrap();
    let site = site(&folder);
    (parent, site)
}

fn shown(site: &Site) -> Vec<(String, String)> {
    let rollouts = site.supervisor.state().now().rollouts;
    rollouts.into_iter().map(|rollout| (rollout.page, rollout.step)).collect()
}

#[tokio::test]
async fn a_second_rollout_of_a_page_is_refused_while_the_first_is_shown() {
    let (_parent, site) = in_a_folder();
    let ticket = site.begin("checkout").unwrap();
    ticket.show(|rollout| rollout.step = "bake".to_owned());
    assert_eq!(shown(&site), [("checkout".to_owned(), "bake".to_owned())]);
    let refused = site.begin("checkout").unwrap_err().to_string();
    assert!(refused.starts_with("refused: a rollout of checkout is running since 2"), "{refused}");
    drop(ticket);
    assert_eq!(shown(&site), []);
    site.begin("checkout").unwrap();
}

#[tokio::test]
async fn a_rollback_cancels_a_rollout_that_has_not_committed_and_follows_one_that_has() {
    let (_parent, site) = in_a_folder();
    let ticket = site.begin("checkout").unwrap();
    let Turn::Cancels(job) = site.begin_back("checkout").unwrap() else { panic!("it is under way") };
    ticket.job().cancelled().await;
    drop(ticket);
    job.ended().await;
    let committed = site.begin("checkout").unwrap();
    assert!(committed.job().commit());
    assert!(site.begin("checkout").is_err(), "the old instances have not ended yet");
    let Turn::Begins(back) = site.begin_back("checkout").unwrap() else { panic!("it has committed") };
    drop(committed);
    assert_eq!(shown(&site).len(), 1, "the rollback is shown on");
    assert!(site.begin("checkout").is_err());
    drop(back);
}

#[tokio::test]
async fn new_instances_are_as_many_as_the_page_has_with_numbers_that_none_had() {
    let (_parent, site) = in_a_folder();
    for expected in [["checkout-3", "checkout-4"], ["checkout-5", "checkout-6"]] {
        let more = site.more_of("checkout", &binary("plum")).unwrap();
        assert_eq!(more.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), expected);
        assert!(more.iter().all(|spec| spec.program == Path::new("/releases/plum")));
        assert_ne!(more[0].address, more[1].address);
        site.serves("checkout", more, binary("plum"), now());
    }
    assert_eq!(site.served("checkout").unwrap().binary, binary("plum"));
}

#[tokio::test]
async fn a_second_upgrade_of_the_proxy_is_refused_while_the_first_runs() {
    let (_parent, site) = in_a_folder();
    let turn = site.begin_upgrade().unwrap();
    let upgraded = Spec { program: "/releases/proxy".into(), ..turn.proxy() };
    turn.runs(upgraded);
    assert!(site.is_upgrading());
    let refused = site.begin_upgrade().unwrap_err().to_string();
    assert!(refused.starts_with("refused: the proxy is being upgraded since 2"), "{refused}");
    drop(turn);
    assert!(!site.is_upgrading());
    assert_eq!(site.begin_upgrade().unwrap().proxy().program, Path::new("/releases/proxy"));
}
