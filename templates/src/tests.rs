//! The views that pages share.

use std::collections::BTreeMap;

use askama::Template;
use shared_assets::AssetUrls;

use crate::{Address, Country, Field, Frame, Kind, Shell, Totals};

#[test]
fn the_navigation_has_the_pages_in_their_order_and_marks_the_one_that_is_showing() {
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("Basket");
    let place = |path: &str| shell.navigation.iter().position(|item| item.path == path).unwrap();
    assert!(place("/") < place("/my-account") && place("/my-account") < place("/checkout"));
    let marks = |shell: &Shell| shell.navigation.iter().map(|item| (item.path, item.current)).collect::<Vec<_>>();
    let marked = |mark| move |(path, current): &(&str, &str)| *current == if *path == "/checkout" { mark } else { "" };
    assert!(marks(&shell).iter().all(marked("true")), "on another view of the page");
    assert_eq!(shell.title, "Basket – Tarnwell");
    assert!(marks(&shell.at("/checkout")).iter().all(marked("page")), "on the view itself");
}

#[test]
fn a_form_that_came_back_says_so_in_the_title() {
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("Checkout").with_errors();
    assert_eq!(shell.title, "Error: Checkout – Tarnwell");
}

#[derive(Template)]
#[template(
    source = "{% include \"field.html\" %}{% include \"form_error.html\" %}{% include \"totals.html\" %}",
    ext = "html"
)]
struct Parts {
    shell: Shell,
    field: Field,
    form_error: String,
    totals: Totals,
}

fn parts(field: Field, shipping: Option<&str>) -> String {
    let totals =
        Totals { subtotal: "€1".to_owned(), shipping: shipping.map(str::to_owned), total: "€1".to_owned() };
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("");
    Parts { shell, field, form_error: "Not today.".to_owned(), totals }.render().unwrap()
}

#[test]
fn every_kind_of_field_is_described_by_its_error_and_its_hint() {
    for kind in [Kind::Select, Kind::Text] {
        let field = Field::new(kind, "country", "Country", "country").hint("Where you live.");
        assert!(parts(field.clone(), None).contains("aria-describedby=\"country-hint\""), "{kind:?}");
        let wrong = parts(field.filled("", "Choose one."), None);
        assert!(wrong.contains("aria-invalid=\"true\" aria-describedby=\"country-error country-hint\""), "{wrong}");
    }
}

#[test]
fn what_stopped_a_whole_form_can_take_the_focus() {
    let html = parts(Field::new(Kind::Text, "name", "Name", "name"), None);
    assert!(html.contains("role=\"alert\" tabindex=\"-1\" data-form-error"), "{html}");
}

#[test]
fn shipping_that_costs_nothing_is_free() {
    let html = |shipping| parts(Field::new(Kind::Text, "name", "Name", "name"), shipping);
    assert!(html(None).contains("<dd>Free</dd>") && html(Some("€4.90")).contains("<dd>€4.90</dd>"));
}

#[test]
fn the_shell_links_assets_by_the_configured_urls_and_preloads_by_fingerprinted_ones() {
    let shell = Frame::new("checkout", AssetUrls::Stable).shell("");
    assert_eq!(shell.assets.site_css.as_str(), "/assets/site.css");
    assert_eq!(shell.fingerprinted.site_css.as_str(), shared_assets::SITE_CSS.path);
    let shell = Frame::new("checkout", AssetUrls::Fingerprinted).shell("");
    assert_eq!(shell.assets.site_css.as_str(), shared_assets::SITE_CSS.path);
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
