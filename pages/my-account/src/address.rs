//! Where parcels go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Error, html, not_now, private};
use templates::{Address, Field, Shell};
use tokio::join;

use crate::assets;
use crate::page::{HOME, MyAccount, NOT_SAVED, REFUSALS, not_saved};
use crate::visitor::{SignedIn, Visitor};

const TITLE: &str = "Address";

#[derive(Template)]
#[template(path = "address.html")]
struct AddressView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    form_error: String,
    fields: Vec<Field>,
}

impl AddressView {
    fn new(page: &MyAccount, shell: Shell, fields: Vec<Field>) -> Self {
        Self { shell, assets: page.assets, section: "address", form_error: String::new(), fields }
    }
}

/// `GET /my-account/address`
pub(crate) async fn show(
    State(page): State<Arc<MyAccount>>,
    Query(query): Query<HashMap<String, String>>,
    visitor: SignedIn,
) -> Result<impl IntoResponse, Error> {
    let countries = page.accounts.countries().await;
    let is_complete = countries.is_fresh();
    // Without the list a country is typed by its code.
    let countries = countries.of_any_age().unwrap_or_default();
    let known = visitor.account.address.clone();
    let address = known.unwrap_or_else(|| Address { name: visitor.account.name.clone(), ..Address::default() });
    let mut view = AddressView::new(&page, visitor.shell(&page, TITLE), address.fields(&BTreeMap::new(), &countries));
    if query.contains_key("saved") {
        view.shell.message = "Your address is saved.".to_owned();
    }
    Ok((private(is_complete), html(&view)?))
}

/// `POST /my-account/address`
pub(crate) async fn submit(
    State(page): State<Arc<MyAccount>>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let address = Address::typed(&form);
    let Some(session) = visitor.cookies.session() else {
        return Ok(visitor.into_sign_in(HOME));
    };
    let save = async {
        match visitor.is_unknown {
            false => Some(page.accounts.save_address(session, &address).await),
            true => None,
        }
    };
    let (saved, countries) = join!(save, page.accounts.countries());
    let countries = countries.of_any_age().unwrap_or_default();
    let view = |errors: &_, form_error: &str| {
        let shell = visitor.shell(&page, TITLE).with_errors();
        let view = AddressView::new(&page, shell, address.fields(errors, &countries));
        AddressView { form_error: form_error.to_owned(), ..view }
    };
    let error = match saved {
        Some(Ok(())) => return Ok(Redirect::to("/my-account/address?saved=1").into_response()),
        Some(Err(error)) => error,
        None => return not_now(&view(&BTreeMap::new(), NOT_SAVED)),
    };
    match error.refusal_of(REFUSALS) {
        Some(refusal) => {
            let form_error = if refusal.fields.is_empty() { refusal.message.as_str() } else { "" };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&view(&refusal.fields, form_error))?).into_response())
        }
        None if error.refusal().is_some() => Err(error.into()),
        None => not_now(&view(&BTreeMap::new(), not_saved(&error))),
    }
}
