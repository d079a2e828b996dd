//! What holds of the pure deciders for every input: Referers, fingerprints and the decision table.

use pagefleet_proxy::asset_decision::{AssetDecision, AssetRequest, Reason, RefererPage, decide};
use pagefleet_proxy::asset_url::{self, AssetUrl};
use pagefleet_proxy::fleet::PageId;
use pagefleet_proxy::{path, referer};
use proptest::prelude::*;

const HOST: &str = "shop.example";

fn hosts() -> Vec<String> {
    vec![HOST.to_owned()]
}

fn page() -> impl Strategy<Value = PageId> {
    (0_usize..4).prop_map(PageId)
}

fn referer_page() -> impl Strategy<Value = Option<RefererPage>> {
    prop::option::of((page(), any::<bool>()).prop_map(|(page, has_manifest)| RefererPage { page, has_manifest }))
}

fn url() -> impl Strategy<Value = AssetUrl> {
    prop_oneof![Just(AssetUrl::Stable), Just(AssetUrl::Fingerprinted)]
}

/// Something like a URL, so that the parser comes past its first check.
fn like_a_url() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![Just("http"), Just("https"), Just("HTTP"), Just("ftp"), Just("")];
    let host = prop_oneof![Just(HOST.to_owned()), Just("SHOP.EXAMPLE".to_owned()), "[a-z.@:\\[\\]]{0,20}"];
    (scheme, host, "(:[0-9]{0,6})?", "[/a-z%0-9.?#\\\\ ]{0,30}")
        .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}{port}{path}"))
}

proptest! {
    #[test]
    fn a_referer_of_any_bytes_gives_a_normal_path_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(path) = referer::path_of(Some(&bytes), &hosts()) {
            let normal = path::normalise(&path).map(|path| path.into_owned());
            prop_assert_eq!(normal.as_ref(), Ok(&path));
        }
    }

    #[test]
    fn a_referer_like_a_url_gives_a_normal_path_of_ours_or_nothing(written in like_a_url()) {
        if let Ok(path) = referer::path_of(Some(written.as_bytes()), &hosts()) {
            prop_assert!(path.starts_with('/'), "{path}");
            prop_assert_eq!(path::normalise(&path).map(|path| path.into_owned()), Ok(path));
            let authority = written.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
            let host = authority.and_then(|authority| authority.split(':').next()).unwrap_or_default();
            prop_assert!(host.eq_ignore_ascii_case(HOST), "{written} is foreign");
        }
    }

    #[test]
    fn a_foreign_referer_never_guides(host in "[a-z]{1,10}(\\.[a-z]{1,10}){0,3}", path in "/[a-z/]{0,20}") {
        prop_assume!(host != HOST);
        for written in [
            format!("http://{host}{path}"),
            format!("https://{HOST}.{host}{path}"),
            format!("http://{host}/http://{HOST}/"),
            format!("http://{HOST}@{host}{path}"),
            format!("http://{host}?http://{HOST}/"),
            format!("http://{host}#{HOST}/"),
            format!("http://{host}\\@{HOST}/"),
        ] {
            prop_assert!(referer::path_of(Some(written.as_bytes()), &hosts()).is_err(), "{written}");
        }
    }

    #[test]
    fn a_fingerprint_is_sixteen_lower_case_hex_digits_of_an_asset_path(path in "(/assets/)?[a-zA-Z0-9./-]{0,60}") {
        match (asset_url::parse(&path), asset_url::fingerprint(&path)) {
            (Some(AssetUrl::Fingerprinted), Some(found)) => {
                prop_assert_eq!(found.len(), 16);
                prop_assert!(found.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
                let in_its_place = format!("-{found}.");
                prop_assert!(path.contains(&in_its_place));
            }
            (Some(AssetUrl::Stable), None) => prop_assert!(path.starts_with("/assets/")),
            (None, None) => prop_assert!(!path.starts_with("/assets/")),
            (url, found) => prop_assert!(false, "{path}: {url:?} {found:?}"),
        }
    }

    #[test]
    fn a_fingerprint_that_was_written_is_found(
        name in "[a-zA-Z0-9_.-]{1,30}", fingerprint in "[0-9a-f]{16}", extension in "[a-z0-9]{1,5}",
    ) {
        let path = format!("/assets/{name}-{fingerprint}.{extension}");
        prop_assert_eq!(asset_url::fingerprint(&path), Some(fingerprint.as_str()));
    }

    #[test]
    fn nothing_is_a_fingerprint_but_what_the_parser_can_bear(path in ".*") {
        let is_asset = asset_url::parse(&path).is_some();
        prop_assert_eq!(is_asset, path.starts_with(asset_url::PREFIX));
    }

    #[test]
    fn a_known_fingerprint_never_goes_to_a_page_without_it(
        referer in referer_page(),
        holders in prop::collection::vec(page(), 0..4),
        held in any::<bool>(),
        fallback in prop::option::of(page()),
        looked_again in any::<bool>(),
    ) {
        let url = AssetUrl::Fingerprinted;
        let decision = decide(AssetRequest { url, referer, holders: &holders, held, fallback, looked_again });
        let known = !holders.is_empty() || held;
        match decision {
            AssetDecision::Page(page, reason) if known => {
                prop_assert!(holders.contains(&page));
                let named = referer.is_some_and(|referer| referer.page == page);
                prop_assert_eq!(reason, if named { Reason::Referer } else { Reason::Fingerprint });
            }
            AssetDecision::Page(page, reason) => {
                let old = referer.is_some_and(|referer| referer.page == page && !referer.has_manifest);
                prop_assert!(old && reason == Reason::Referer, "only a page without a manifest is asked for what nobody has");
            }
            AssetDecision::Vault => prop_assert!(held && holders.is_empty()),
            AssetDecision::LookAgain => prop_assert!(!known && !looked_again),
            AssetDecision::Unknown => prop_assert!(!known && looked_again),
        }
    }

    #[test]
    fn whose_fingerprint_it_is_never_depends_on_the_fallback(
        referer in referer_page(), holders in prop::collection::vec(page(), 0..4), held in any::<bool>(),
        one in prop::option::of(page()), other in prop::option::of(page()), looked_again in any::<bool>(),
    ) {
        let url = AssetUrl::Fingerprinted;
        let with = |fallback| decide(AssetRequest { url, referer, holders: &holders, held, fallback, looked_again });
        prop_assert_eq!(with(one), with(other));
    }

    #[test]
    fn without_a_usable_referer_the_fallback_answers_a_stable_url_whoever_else_has_it(
        holders in prop::collection::vec(page(), 0..4), held in any::<bool>(), fallback in page(),
        looked_again in any::<bool>(),
    ) {
        let (url, referer) = (AssetUrl::Stable, None);
        let request = AssetRequest { url, referer, holders: &holders, held, fallback: Some(fallback), looked_again };
        prop_assert_eq!(decide(request), AssetDecision::Page(fallback, Reason::Fallback));
    }

    #[test]
    fn a_second_look_always_decides(
        url in url(), referer in referer_page(), holders in prop::collection::vec(page(), 0..4), held in any::<bool>(),
        fallback in prop::option::of(page()),
    ) {
        let request = AssetRequest { url, referer, holders: &holders, held, fallback, looked_again: true };
        prop_assert_ne!(decide(request), AssetDecision::LookAgain);
    }
}
