use super::*;
use crate::state_file::Entry;

fn fleet() -> Fleet {
    let child = |name: &str, kind, address: &str, pid| Entry {
        name: name.to_owned(),
        kind,
        page: None,
        address: address.parse().unwrap(),
        pid,
        restarts: 1,
    };
    let listen = "127.0.0.1:8080".parse().unwrap();
    let children = vec![
        child("catalog", Kind::Service, "127.0.0.1:21000", None),
        child("checkout-1", Kind::Page, "127.0.0.1:4101", Some(41)),
    ];
    let (release_build, rollouts) = (false, Vec::new());
    Fleet { listen, admin: listen, supervisor: 1, release_build, children, rollouts }
}

fn answer() -> Value {
    serde_json::json!({"pages": [{"page": "checkout", "routes": ["/checkout", "/checkout/{*rest}"], "shares": {},
        "instances": [
            {"address": "127.0.0.1:4101", "release": "0.1.0", "state": "healthy", "in_flight": 0, "since": "x"},
            {"address": "127.0.0.1:4102", "release": null, "state": "joining", "in_flight": 0}]}]})
}

#[test]
fn the_answer_keeps_its_shape_and_gets_the_pids_that_are_known() {
    let mut filled = answer();
    fill_in(&mut filled, &fleet());
    let mut expected = answer();
    expected["pages"][0]["instances"][0]["pid"] = 41.into();
    expected["rollouts"] = serde_json::json!([]);
    assert_eq!(filled, expected);
}

#[test]
fn a_page_is_one_block_of_lines_and_services_follow() {
    let mut filled = answer();
    fill_in(&mut filled, &fleet());
    let expected = "\
PAGE      ROUTES                       RELEASE  INSTANCE        STATE    IN-FLIGHT  PID
checkout  /checkout /checkout/{*rest}  0.1.0    127.0.0.1:4101  healthy  0          41
                                       -        127.0.0.1:4102  joining  0          -

PROCESS  ADDRESS          PID   RESTARTS
catalog  127.0.0.1:21000  down  1
";
    assert_eq!(tables(&filled, &fleet()), expected);
}
#[test]
fn what_the_proxy_refused_is_told_under_the_table_with_its_reason() {
    let mut refusing = answer();
    let instances = &mut refusing["pages"][0]["instances"];
    instances[0]["ungated"] = true.into();
    instances[0]["refused"] = "release 0.1.0: /assets/a.css has another hash".into();
    instances[1]["refused"] = "release 0.2.0: /assets/b.css is missing".into();
    refusing["refused"] = serde_json::json!([{"page": "basket", "error": "pages/basket.toml:3: no such key"}]);
    let told = tables(&refusing, &fleet());
    let expected = "
checkout 127.0.0.1:4101 is let in ungated: release 0.1.0: /assets/a.css has another hash
checkout 127.0.0.1:4102 is not let in: release 0.2.0: /assets/b.css is missing
the file of page basket is refused: pages/basket.toml:3: no such key

PROCESS";
    assert!(told.contains(expected), "{told}");
    assert!(told.contains("127.0.0.1:4101  healthy (ungated)  0"), "{told}");
}

#[test]
fn a_rollout_is_told_with_its_step_and_its_share() {
    let mut fleet = fleet();
    let (page, step, since) = ("checkout".to_owned(), "bake".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    fleet.rollouts.push(Rollout { id: 1, page, step, share: 10, release: Some("0.1.0+plum".to_owned()), since });
    let mut shared = answer();
    shared["pages"][0]["shares"] = serde_json::json!({"0.1.0+plum": 10});
    shared["pages"][0]["instances"][0]["state"] = "draining".into();
    fill_in(&mut shared, &fleet);
    assert_eq!(shared["rollouts"][0]["step"], "bake");
    let told = tables(&shared, &fleet);
    let expected = "
rollout of checkout to 0.1.0+plum: bake, 10 % of visitors, since 1970-01-01T00:00:00Z
checkout 0.1.0+plum gets 10 % of visitors

PROCESS";
    assert!(told.contains(expected) && told.contains("127.0.0.1:4101  draining  0          41"), "{told}");
}

#[test]
fn what_keeps_an_instance_or_a_changed_configuration_from_its_work_is_told() {
    let mut troubled = answer();
    troubled["pages"][0]["instances"][0]["ejected"] = true.into();
    troubled["pages"][0]["instances"][0]["problem"] = "5 errors in a row".into();
    troubled["config"] =
        serde_json::json!({"error": "proxy.toml:3: no such key", "needs_upgrade": ["threads", "vault"]});
    let told = tables(&troubled, &fleet());
    let expected = "
checkout 127.0.0.1:4101 is ejected: 5 errors in a row
the changed proxy.toml is not used: proxy.toml:3: no such key
changed in proxy.toml: threads, vault; `cargo fleet upgrade-proxy` applies it

PROCESS";
    assert!(told.contains(expected) && told.contains("healthy (ejected)"), "{told}");
}

#[test]
fn nothing_is_told_under_the_table_when_nothing_was_refused() {
    assert_eq!(troubles(&answer()), "");
}
