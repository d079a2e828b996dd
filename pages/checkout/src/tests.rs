//! Checkout by itself, in process.

use page_kit::Config;
use page_kit::testing::{Answer, Visitor};

use crate::{PAGE, assets, page};

const ADDRESS: &str = "email=ada%40example.com&name=Ada&line1=Here+1&line2=&postcode=10115&city=Berlin&country=DE";

fn visitor() -> Visitor {
    let config = Config::standalone(PAGE);
    let routes = page::routes(&config).unwrap();
    Visitor::of(page_kit::app(&config, &[shared_assets::ALL, assets::ALL], routes).unwrap())
}

fn key_of(form: &Answer) -> String {
    let (_, rest) = form.body.split_once("name=\"key\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_basket_is_shown_with_what_orders_say_it_costs() {
    let basket = visitor().get("/checkout").await;
    assert_eq!((basket.status, basket.header("cache-control")), (200, "private, no-cache"));
    for text in ["Drystone 35", "€28.00", "€236.00", "Free", "4 pieces"] {
        assert!(basket.says(text), "{text}");
    }
}

#[tokio::test]
async fn quantities_are_changed_and_lines_removed() {
    let mut visitor = visitor();
    let sent = visitor.post("/checkout/lines/wee-ember-stove", "quantity=3").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/checkout"));
    assert!(visitor.get("/checkout").await.says("€147.00"));
    visitor.post("/checkout/lines/wee-ember-stove", "quantity=3&remove=1").await;
    assert!(!visitor.get("/checkout").await.says("Wee Ember"));
    for slug in ["drystone-35", "speckle-mug"] {
        visitor.post(&format!("/checkout/lines/{slug}"), "quantity=0").await;
    }
    assert!(visitor.get("/checkout").await.says("Your basket is empty"));
    assert_eq!(visitor.get("/checkout/details").await.header("location"), "/checkout");
}

#[tokio::test]
async fn a_quantity_that_can_not_be_comes_back_beside_its_line() {
    let mut visitor = visitor();
    for (typed, message) in [("9", "Only 3 in stock."), ("-1", "Enter 0 or more."), ("x", "Enter a whole number.")] {
        let refused = visitor.post("/checkout/lines/speckle-mug", &format!("quantity={typed}")).await;
        assert_eq!(refused.status, 422, "{typed}");
        assert!(refused.says(message) && refused.says(&format!("value=\"{typed}\"")), "{}", refused.body);
        assert!(refused.says("aria-describedby=\"error-speckle-mug\""), "{}", refused.body);
    }
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_its_form_is_sent() {
    let mut visitor = visitor();
    let key = key_of(&visitor.get("/checkout/details").await);
    let form = format!("{ADDRESS}&key={key}");
    for _ in 0..2 {
        let sent = visitor.post("/checkout/details", &form).await;
        assert_eq!((sent.status, sent.header("location")), (303, format!("/checkout/orders/{key}").as_str()));
    }
    let made = visitor.get(&format!("/checkout/orders/{key}")).await;
    for text in ["data-order-state=\"made\"", "TW-10042", "10115 Berlin", "Germany", "€236.00"] {
        assert!(made.says(text), "{text}");
    }
    assert!(visitor.get("/checkout").await.says("Your basket is empty"));
}

#[tokio::test]
async fn a_form_with_errors_comes_back_with_its_input_and_its_key() {
    let mut visitor = visitor();
    let key = key_of(&visitor.get("/checkout/details").await);
    let refused = visitor.post("/checkout/details", &format!("email=&name=%3CAda%3E&country=NO&key={key}")).await;
    assert_eq!((refused.status, key_of(&refused)), (422, key));
    for text in ["Enter an email address.", "Enter a town or city.", "value=\"NO\" selected", "#60;Ada"] {
        assert!(refused.says(text), "{text} in {}", refused.body);
    }
    assert!(refused.says("aria-describedby=\"city-error\""), "{}", refused.body);
}

#[tokio::test]
async fn who_is_signed_in_finds_the_form_filled_in() {
    let mut visitor = visitor();
    visitor.take_cookie("session", "ada");
    let form = visitor.get("/checkout/details").await;
    for text in
        ["value=\"ada@example.com\"", "value=\"Seestrasse 12\"", "value=\"CH\" selected", "signed in as Ada Lund"]
    {
        assert!(form.says(text), "{text}");
    }
}

#[tokio::test]
async fn the_checkout_has_one_address_and_its_own_not_found() {
    let mut visitor = visitor();
    let slash = visitor.get("/checkout/").await;
    assert_eq!((slash.status, slash.header("location")), (308, "/checkout"));
    for path in ["/checkout/nothing", "/checkout/orders/none", "/checkout/orders/..%2fx"] {
        let missing = visitor.get(path).await;
        assert_eq!(missing.status, 404, "{path}");
        assert!(missing.says("No such step"), "{path}");
    }
}
