//! The views that pages share.

use std::collections::BTreeMap;

use shared_assets::AssetUrls;

use crate::{Address, Country, Frame};

#[test]
fn the_navigation_has_the_pages_in_their_order_and_marks_the_one_that_is_showing() {
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("Basket");
    let place = |path: &str| shell.navigation.iter().position(|item| item.path == path).unwrap();
    assert!(place("/") < place("/my-account") && place("/my-account") < place("/checkout"));
    assert!(shell.navigation.iter().all(|item| item.current == (item.path == "/checkout")));
    assert_eq!(shell.title, "Basket – Tarnwell");
}

#[test]
fn the_shell_links_assets_by_the_configured_urls_and_preloads_by_fingerprinted_ones() {
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("");
    assert_eq!(shell.assets.site_css, "/assets/site.css");
    assert_eq!(shell.fingerprinted.site_css, shared_assets::SITE_CSS.path);
    let shell = Frame::new("checkout", AssetUrls::Fingerprinted).shell("");
    assert_eq!(shell.assets.site_css, shared_assets::SITE_CSS.path);
}

#[test]
fn an_address_form_keeps_what_was_typed_and_says_what_is_wrong() {
    let address = Address { city: "Bergen".to_owned(), country: "NO".to_owned(), ..Address::default() };
    let countries = [("DE", "Germany"), ("NO", "Norway")];
    let countries = countries.map(|(code, name)| Country { code: code.to_owned(), name: name.to_owned() });
    let errors = BTreeMap::from([("postcode".to_owned(), "Enter a postcode.".to_owned())]);
    let fields = address.fields(&errors, &countries);
    let field = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
    assert_eq!((field("city").value.as_str(), field("postcode").error.as_str()), ("Bergen", "Enter a postcode."));
    let chosen: Vec<_> = field("country").options.iter().filter(|option| option.selected).collect();
    assert_eq!((chosen.len(), chosen[0].value.as_str()), (1, "NO"));
    assert_eq!(address.fields(&errors, &[]).last().unwrap().kind, "text");
}

#[test]
fn an_envelope_has_no_empty_lines_and_the_countrys_name() {
    let address = Address {
        name: "Ada".to_owned(),
        line1: "Here 1".to_owned(),
        postcode: "5003".to_owned(),
        city: "Bergen".to_owned(),
        country: "NO".to_owned(),
        ..Address::default()
    };
    let norway = [Country { code: "NO".to_owned(), name: "Norway".to_owned() }];
    assert_eq!(address.lines(&norway), ["Ada", "Here 1", "5003 Bergen", "Norway"]);
    assert_eq!(address.lines(&[]).last().unwrap(), "NO");
}
