//! Tables of looks: what each finds, and what is in force after it.

use super::*;
use crate::route::Route;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// In place of a page file's routes: it can't be read, or holds nothing.
const UNREADABLE: &str = "unreadable";
const EMPTY: &str = "empty";

fn text(routes: &str) -> String {
    let routes = routes.split_whitespace().map(|route| format!("{route:?}")).collect::<Vec<_>>();
    if routes == ["\"empty\""] { String::new() } else { format!("routes = [{}]\ninstances = []\n", routes.join(", ")) }
}

fn look(files: Files) -> Look {
    let found = files.iter().map(|(page, routes)| {
        let path = Path::new("pages").join(format!("{page}.toml"));
        let unreadable = || crate::error::unreadable(&path)(std::io::Error::other("no"));
        let text = if *routes == UNREADABLE { Err(unreadable()) } else { Ok(text(routes)) };
        ((*page).to_owned(), (path.clone(), text))
    });
    found.collect()
}

fn nested(routes: &[&str]) -> Bounds {
    let nested_routes = routes.iter().map(|route| (*route).to_owned()).collect();
    Bounds { nested_routes, ..Bounds::default() }
}

/// Page and routes.
type Files<'a> = &'a [(&'a str, &'a str)];

/// `page: routes`, and `!page` for a refused one.
fn state(pages: &PageSet) -> Vec<String> {
    let routes = |file: &PageFile| file.routes.iter().map(|route| route.as_str()).collect::<Vec<_>>().join(" ");
    let in_force = pages.pages().map(|file| format!("{}: {}", file.page, routes(file)));
    in_force.chain(pages.refused().keys().map(|page| format!("!{page}"))).collect()
}

/// The claims are those of the pages in force, no more and no less.
fn check_claims(pages: &PageSet) {
    let mut claims = pages.claims.clone();
    for file in pages.pages() {
        for route in &file.routes {
            assert_eq!(claims.collision_within(route), Some(route), "{pages:?}");
            claims.remove(&file.page, route);
        }
    }
    assert!(claims.is_empty(), "{pages:?}");
}

/// Each look's files, and what is in force and refused after it.
fn check(bounds: &Bounds, looks: &[(Files, &[&str])]) {
    let mut pages = PageSet::default();
    for (index, (files, expected)) in looks.iter().enumerate() {
        let before = (state(&pages), pages.refused.clone());
        let changed = pages.update(look(files), bounds);
        assert_eq!(state(&pages), *expected, "look {index} of {looks:?}: {:?}", pages.refused());
        assert!(changed || before == (state(&pages), pages.refused.clone()), "look {index} of {looks:?}");
        check_claims(&pages);
        assert!(!pages.update(look(files), bounds), "look {index} of {looks:?}, again");
        assert_eq!(state(&pages), *expected, "look {index} of {looks:?}, again");
    }
}

#[test]
fn a_bad_file_is_refused_alone_and_its_last_good_one_stays() {
    for bad in [UNREADABLE, EMPTY, "/assets/x", "checkout", "/a /a"] {
        check(
            &Bounds::default(),
            &[
                (&[("a", bad), ("b", "/b")], &["b: /b", "!a"]),
                (&[("a", "/a"), ("b", "/b")], &["a: /a", "b: /b"]),
                (&[("a", bad), ("b", "/b2")], &["a: /a", "b: /b2", "!a"]),
                (&[("a", "/a"), ("b", "/b2")], &["a: /a", "b: /b2"]),
            ],
        );
    }
}

#[test]
fn a_page_whose_file_is_gone_is_gone_with_its_routes_and_its_refusal() {
    check(
        &Bounds::default(),
        &[
            (&[("a", "/a"), ("b", EMPTY)], &["a: /a", "!b"]),
            (&[("a", "/a")], &["a: /a"]),
            (&[("c", "/a")], &["c: /a"]),
            (&[], &[]),
        ],
    );
}

#[test]
fn of_two_pages_with_one_route_the_one_that_was_there_keeps_it_else_the_first_by_name() {
    check(
        &Bounds::default(),
        &[
            (&[("b", "/x"), ("c", "/x"), ("d", "/x /d")], &["b: /x", "!c", "!d"]),
            (&[("a", "/x"), ("b", "/x"), ("c", "/x"), ("d", "/d")], &["b: /x", "d: /d", "!a", "!c"]),
            (&[("a", "/x"), ("b", "/x /b"), ("c", "/x"), ("d", "/d")], &["b: /x /b", "d: /d", "!a", "!c"]),
            (&[("a", "/x"), ("b", "/b"), ("c", "/x"), ("d", "/d")], &["a: /x", "b: /b", "d: /d", "!c"]),
            (&[("b", "/b"), ("c", "/x"), ("d", "/d /x")], &["b: /b", "c: /x", "d: /d", "!d"]),
        ],
    );
}

#[test]
fn the_last_good_file_of_a_refused_page_keeps_its_routes_against_a_newcomer() {
    check(
        &Bounds::default(),
        &[
            (&[("b", "/x"), ("c", "/c")], &["b: /x", "c: /c"]),
            (&[("a", "/x"), ("b", EMPTY), ("c", "/c")], &["b: /x", "c: /c", "!a", "!b"]),
            // Refused for a conflict, it keeps them too.
            (&[("a", "/x"), ("b", "/b /c"), ("c", "/c")], &["b: /x", "c: /c", "!a", "!b"]),
            (&[("a", "/x"), ("b", "/b"), ("c", "/c")], &["a: /x", "b: /b", "c: /c"]),
        ],
    );
}

#[test]
fn routes_move_swap_and_go_round_in_one_look() {
    for (before, after) in [
        (&[("a", "/x /a"), ("b", "/b")][..], &[("a", "/a"), ("b", "/b /x")][..]),
        (&[("a", "/a"), ("b", "/b /x")], &[("a", "/a /x"), ("b", "/b")]),
        (&[("a", "/x"), ("b", "/y")], &[("a", "/y"), ("b", "/x")]),
        (&[("a", "/x"), ("b", "/y"), ("c", "/z")], &[("a", "/y"), ("b", "/z"), ("c", "/x")]),
        (&[("a", "/x")], &[("a", "/x/{*rest}"), ("b", "/x")]),
    ] {
        let lines =
            |files: &[(&str, &str)]| files.iter().map(|(page, routes)| format!("{page}: {routes}")).collect::<Vec<_>>();
        let (first, second) = (lines(before), lines(after));
        let (first, second): (Vec<&str>, Vec<&str>) =
            (first.iter().map(|line| &**line).collect(), second.iter().map(|line| &**line).collect());
        check(&Bounds::default(), &[(before, &first), (after, &second)]);
    }
}

#[test]
fn a_swap_goes_through_beside_a_conflict_that_it_has_no_part_in() {
    check(
        &Bounds::default(),
        &[
            (&[("a", "/x"), ("b", "/y"), ("c", "/c")], &["a: /x", "b: /y", "c: /c"]),
            (&[("a", "/y"), ("b", "/x"), ("c", "/c /x")], &["a: /y", "b: /x", "c: /c", "!c"]),
        ],
    );
}

#[test]
fn a_page_that_may_not_move_keeps_those_out_that_wanted_its_place() {
    check(
        &Bounds::default(),
        &[
            (&[("a", "/a"), ("b", "/b"), ("c", "/c"), ("d", "/d")], &["a: /a", "b: /b", "c: /c", "d: /d"]),
            // c can't have /d, so b can't have /c, so a can't have /b.
            (
                &[("a", "/b"), ("b", "/c"), ("c", "/d"), ("d", "/d")],
                &["a: /a", "b: /b", "c: /c", "d: /d", "!a", "!b", "!c"],
            ),
            (&[("a", "/b"), ("b", "/c"), ("c", "/d"), ("d", "/e")], &["a: /b", "b: /c", "c: /d", "d: /e"]),
        ],
    );
}

#[test]
fn a_page_that_lost_to_one_that_lost_tries_again() {
    check(
        &Bounds::default(),
        &[
            (&[("c", "/y")], &["c: /y"]),
            // b loses /x to a, which loses /y to c.
            (&[("a", "/x /y"), ("b", "/x"), ("c", "/y")], &["b: /x", "c: /y", "!a"]),
        ],
    );
}

#[test]
fn a_swap_goes_through_when_who_kept_it_back_has_lost_too() {
    check(
        &Bounds::default(),
        &[
            (&[("b", "/y"), ("c", "/z")], &["b: /y", "c: /z"]),
            // a takes /z from b, so b keeps /y, so c keeps /z, so a loses it.
            (&[("a", "/1 /z"), ("b", "/z"), ("c", "/y"), ("d", "/1")], &["b: /z", "c: /y", "d: /1", "!a"]),
        ],
    );
}

#[test]
fn a_route_inside_another_pages_is_refused_unless_the_operator_lists_it() {
    for (inner, outer) in [
        ("/checkout/help", "/checkout/{*rest}"),
        ("/checkout/help/{*rest}", "/checkout/{*rest}"),
        ("/products/special", "/products/{slug}"),
        ("/a/b/{y}", "/a/{x}/c"),
    ] {
        let [with_inner, with_outer] = [format!("n: {inner}"), format!("c: {outer}")];
        let both: &[(&str, &str)] = &[("c", outer), ("n", inner)];
        check(
            &Bounds::default(),
            &[(&[("c", outer)], &[&with_outer]), (both, &[&with_outer, "!n"]), (&[("n", inner)], &[&with_inner])],
        );
        check(
            &Bounds::default(),
            &[(&[("n", inner)], &[&with_inner]), (both, &[&with_inner, "!c"]), (&[("c", outer)], &[&with_outer])],
        );
        check(&nested(&[inner]), &[(both, &[&with_outer, &with_inner])]);
        check(&nested(&[outer]), &[(both, &[&with_outer, "!n"])]);
    }
}

#[test]
fn a_root_catch_all_takes_what_no_page_has() {
    let files = &[("a", "/a /a/{*rest}"), ("old", "/ /{*rest}")];
    check(&Bounds::default(), &[(files, &["a: /a /a/{*rest}", "old: / /{*rest}"])]);
    let files = &[("a", "/{*rest}"), ("b", "/{*other}")];
    check(&Bounds::default(), &[(files, &["a: /{*rest}", "!b"])]);
}

#[test]
fn one_pages_routes_may_lie_inside_each_other() {
    check(&Bounds::default(), &[(&[("a", "/a /a/{*rest} /a/b")], &["a: /a /a/{*rest} /a/b"])]);
}

#[test]
fn a_refusal_names_the_file_the_line_and_the_other_page() {
    let mut pages = PageSet::default();
    pages.update(look(&[("a", "/a/{*rest}"), ("b", "/b"), ("c", "/b/c")]), &Bounds::default());
    let newcomers = &[
        ("a", "/a/{*rest}"),
        ("b", "/b"),
        ("c", "/b/c"),
        ("d", "/a/d"),
        ("e", "/b"),
        ("f", "/b/{slug}"),
        ("g", UNREADABLE),
    ];
    pages.update(look(newcomers), &Bounds::default());
    for (page, says) in [
        (
            "d",
            "pages/d.toml:1: `routes`: route `/a/d` is inside `/a/{*rest}` of page `a`, and not among the operator's \
             `nested_routes`",
        ),
        ("e", "pages/e.toml:1: `routes`: route `/b` collides with `/b` of page `b`"),
        (
            "f",
            "pages/f.toml:1: `routes`: route `/b/{slug}` encloses `/b/c` of page `c`, which is not among the operator's \
             `nested_routes`",
        ),
        ("g", "pages/g.toml: cannot be read: no"),
    ] {
        assert_eq!(pages.refused()[page], says);
    }
}

#[test]
fn an_unchanged_page_stays_the_same_and_only_a_change_is_told() {
    let (mut pages, bounds) = (PageSet::default(), Bounds::default());
    assert!(!pages.update(look(&[]), &bounds));
    assert!(pages.update(look(&[("a", "/a"), ("b", "/b")]), &bounds));
    assert!(!pages.update(look(&[("a", "/a"), ("b", "/b")]), &bounds));
    let first = pages.pages().map(Arc::clone).collect::<Vec<_>>();
    assert!(pages.update(look(&[("a", "/a"), ("b", "/b2")]), &bounds));
    assert!(Arc::ptr_eq(&first[0], pages.pages().next().unwrap()));
    assert_eq!(pages.text_of("b"), Some(text("/b2").as_str()));
    assert!(pages.update(look(&[("a", "/a"), ("b", EMPTY)]), &bounds));
    assert_eq!(pages.text_of("b"), Some(text("/b2").as_str()));
    assert!(!pages.update(look(&[("a", "/a"), ("b", EMPTY)]), &bounds));
    assert!(pages.update(look(&[("a", "/a"), ("b", UNREADABLE)]), &bounds), "another reason");
    assert!(pages.update(look(&[("a", "/a"), ("b", "/b2")]), &bounds));
    assert!(pages.refused().is_empty() && pages.complete().is_ok());
    assert_eq!(pages.text_of("c"), None);
}

#[test]
fn bounds_that_change_judge_every_file_again_and_put_no_page_out() {
    let mut pages = PageSet::default();
    let files = || look(&[("a", "/a/{*rest}"), ("b", "/a/b"), ("c", "/c")]);
    pages.update(files(), &Bounds::default());
    assert_eq!(state(&pages), ["a: /a/{*rest}", "c: /c", "!b"]);
    assert!(pages.update(files(), &nested(&["/a/b"])));
    assert_eq!(state(&pages), ["a: /a/{*rest}", "b: /a/b", "c: /c"]);
    let first = pages.pages().map(Arc::clone).collect::<Vec<_>>();
    assert!(pages.update(files(), &Bounds::default()));
    assert_eq!(state(&pages), ["a: /a/{*rest}", "b: /a/b", "c: /c", "!b"]);
    assert!(pages.pages().zip(&first).all(|(now, first)| Arc::ptr_eq(now, first)));
    assert!(!pages.update(files(), &Bounds::default()), "still refused, and no news");
    // The outer page may change beside it, the inner one may not.
    let changed = look(&[("a", "/a/{*rest} /a2"), ("b", "/a/b /b2"), ("c", "/c")]);
    assert!(pages.update(changed, &Bounds::default()));
    assert_eq!(state(&pages), ["a: /a/{*rest} /a2", "b: /a/b", "c: /c", "!b"]);
    check_claims(&pages);
}

#[test]
fn a_network_that_is_no_longer_allowed_is_told_and_one_that_becomes_allowed_lets_a_page_in() {
    let file = "routes = [\"/a\"]\ninstances = [\"10.0.0.1:80\"]\n";
    let look = || Look::from([("a".to_owned(), ("a.toml".into(), Ok(file.to_owned())))]);
    let inside = Bounds { allowed_networks: vec!["10.0.0.0/8".parse().unwrap()], ..Bounds::default() };
    let outside = Bounds { allowed_networks: vec!["192.168.0.0/16".parse().unwrap()], ..Bounds::default() };
    let mut pages = PageSet::default();
    for (bounds, expected) in [(&outside, &["!a"][..]), (&inside, &["a: /a"]), (&outside, &["a: /a", "!a"])] {
        assert!(pages.update(look(), bounds));
        assert_eq!(state(&pages), expected);
    }
    assert!(pages.refused()["a"].contains("a.toml:2: `instances`: 10.0.0.1 is outside"), "{:?}", pages.refused());
}

const POOL: [&str; 9] = ["/", "/x", "/x/", "/x/y", "/x/{a}", "/x/{*a}", "/y", "/{*a}", "/x/y/{a}"];

/// For each look, for each of four pages, which routes of the pool its file has; none of them means no file.
fn looks() -> impl Strategy<Value = Vec<Vec<BTreeSet<usize>>>> {
    vec(vec(btree_set(0..POOL.len(), 0..3), 4), 1..8)
}

fn routes_of(indices: &BTreeSet<usize>) -> String {
    indices.iter().map(|index| POOL[*index]).collect::<Vec<_>>().join(" ")
}

/// Whether a page could have these routes beside what is in force for the others.
fn fits(pages: &PageSet, page: &str, routes: &[Route], bounds: &Bounds) -> bool {
    routes.iter().all(|route| pages.claims.meetings(page, route, &bounds.nested_routes).next().is_none())
}

proptest! {
    #[test]
    fn whatever_is_found_what_is_in_force_is_one_table_and_as_much_as_fits(looks in looks()) {
        let bounds = nested(&["/x/y"]);
        let mut pages = PageSet::default();
        for found in looks {
            let files = found.iter().map(routes_of).collect::<Vec<_>>();
            let files = ["a", "b", "c", "d"].into_iter().zip(files.iter().map(String::as_str));
            let files = files.filter(|(_, routes)| !routes.is_empty()).collect::<Vec<_>>();
            pages.update(look(&files), &bounds);
            check_claims(&pages);
            let mut table = matchit::Router::new();
            for file in pages.pages() {
                prop_assert!(fits(&pages, &file.page, &file.routes, &bounds), "{pages:?}");
                for route in &file.routes {
                    prop_assert!(table.insert(route.as_str(), ()).is_ok(), "{pages:?}");
                }
            }
            prop_assert!(pages.pages().all(|file| files.iter().any(|(page, _)| file.page == *page)));
            for (page, routes) in files.iter().filter(|(page, _)| !pages.refused().contains_key(*page)) {
                prop_assert_eq!(pages.text_of(page).map(str::to_owned), Some(text(routes)));
            }
            for (page, routes) in files.iter().filter(|(page, _)| pages.refused().contains_key(*page)) {
                let file = PageFile::parse(&Path::new(page).with_extension("toml"), &text(routes), &bounds);
                prop_assert!(file.is_err() || !fits(&pages, page, &file.unwrap().routes, &bounds), "{pages:?}");
            }
            prop_assert!(!pages.update(look(&files), &bounds));
        }
    }
}

#[test]
fn three_thousand_pages_and_a_conflict_are_settled_at_once() {
    let files = (0..3000).map(|index| {
        let path = PathBuf::from(format!("page-{index:04}.toml"));
        (format!("page-{index:04}"), (path, Ok(text(&format!("/shop/{index} /shop/{index}/{{*rest}}")))))
    });
    let mut files = files.collect::<Look>();
    files.insert("z".to_owned(), ("z.toml".into(), Ok(text("/shop/7 /{*rest}"))));
    let mut pages = PageSet::default();
    let start = std::time::Instant::now();
    pages.update(files, &Bounds::default());
    assert_eq!((pages.pages().len(), pages.refused().len()), (3000, 1));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
