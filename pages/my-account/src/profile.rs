//! Name and email.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Error, html};
use templates::{Field, Kind, Shell};

use crate::assets;
use crate::page::{MyAccount, REFUSALS};
use crate::visitor::SignedIn;

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfileView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    form_error: String,
    fields: Vec<Field>,
}

impl ProfileView {
    fn new(page: &MyAccount, visitor: &SignedIn, fields: Vec<Field>) -> Self {
        let shell = visitor.shell(page, "Profile");
        Self { shell, assets: page.assets, section: "profile", form_error: String::new(), fields }
    }
}

fn fields(name: &str, email: &str, errors: &BTreeMap<String, String>) -> Vec<Field> {
    let error = |name: &str| errors.get(name).map_or("", String::as_str);
    vec![
        Field::new(Kind::Text, "name", "Name", "name").filled(name, error("name")),
        Field::new(Kind::Email, "email", "Email", "email").filled(email, error("email")),
    ]
}

/// `GET /my-account/profile`
pub(crate) async fn show(
    State(page): State<MyAccount>,
    Query(query): Query<HashMap<String, String>>,
    visitor: SignedIn,
) -> Result<impl IntoResponse, Error> {
    let fields = fields(&visitor.account.name, &visitor.account.email, &BTreeMap::new());
    let mut view = ProfileView::new(&page, &visitor, fields);
    if query.contains_key("saved") {
        view.shell.message = "Your profile is saved.".to_owned();
    }
    html(&view)
}

/// `POST /my-account/profile`
pub(crate) async fn submit(
    State(page): State<MyAccount>,
    visitor: SignedIn,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let typed = |name: &str| form.get(name).map_or("", String::as_str);
    let (name, email) = (typed("name"), typed("email"));
    let error = match page.accounts.save_profile(&visitor.session, name, email).await {
        Ok(()) => return Ok(Redirect::to("/my-account/profile?saved=1").into_response()),
        Err(error) => error,
    };
    let Some(refusal) = error.refusal_of(REFUSALS) else {
        return Err(error.into());
    };
    let mut view = ProfileView::new(&page, &visitor, fields(name, email, &refusal.fields));
    if refusal.fields.is_empty() {
        view.form_error = refusal.message.clone();
    }
    view.shell = view.shell.with_errors();
    Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&view)?).into_response())
}
