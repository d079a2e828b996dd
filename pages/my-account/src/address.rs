//! Where parcels go.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Error, html};
use templates::{Address, Field, Shell};
use tokio::join;

use crate::assets;
use crate::page::{MyAccount, REFUSALS};
use crate::visitor::SignedIn;

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
    fn new(page: &MyAccount, visitor: &SignedIn, fields: Vec<Field>) -> Self {
        let shell = visitor.shell(page, "Address");
        Self { shell, assets: page.assets, section: "address", form_error: String::new(), fields }
    }
}

/// `GET /my-account/address`
pub(crate) async fn show(
    State(page): State<MyAccount>,
    Query(query): Query<HashMap<String, String>>,
    visitor: SignedIn,
) -> Result<impl IntoResponse, Error> {
    let countries = page.accounts.countries().await?;
    let known = visitor.account.address.clone();
    let address = known.unwrap_or_else(|| Address { name: visitor.account.name.clone(), ..Address::default() });
    let mut view = AddressView::new(&page, &visitor, address.fields(&BTreeMap::new(), &countries));
    if query.contains_key("saved") {
        view.shell.message = "Your address is saved.".to_owned();
    }
    html(&view)
}

/// `POST /my-account/address`
pub(crate) async fn submit(
    State(page): State<MyAccount>,
    visitor: SignedIn,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let address = Address::typed(&form);
    let (saved, countries) = join!(page.accounts.save_address(&visitor.session, &address), page.accounts.countries());
    let error = match saved {
        Ok(()) => return Ok(Redirect::to("/my-account/address?saved=1").into_response()),
        Err(error) => error,
    };
    let Some(refusal) = error.refusal_of(REFUSALS) else {
        return Err(error.into());
    };
    let mut view = AddressView::new(&page, &visitor, address.fields(&refusal.fields, &countries?));
    if refusal.fields.is_empty() {
        view.form_error = refusal.message.clone();
    }
    view.shell = view.shell.with_errors();
    Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&view)?).into_response())
}
