//! Name and email.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Error, html, not_now};
use templates::{Field, Kind, Shell};

use crate::assets;
use crate::page::{HOME, MyAccount, NOT_SAVED, REFUSALS, not_saved};
use crate::visitor::{SignedIn, Visitor};

const TITLE: &str = "Profile";

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
    fn new(page: &MyAccount, shell: Shell, fields: Vec<Field>) -> Self {
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
    State(page): State<Arc<MyAccount>>,
    Query(query): Query<HashMap<String, String>>,
    visitor: SignedIn,
) -> Result<impl IntoResponse, Error> {
    let fields = fields(&visitor.account.name, &visitor.account.email, &BTreeMap::new());
    let mut view = ProfileView::new(&page, visitor.shell(&page, TITLE), fields);
    if query.contains_key("saved") {
        view.shell.message = "Your profile is saved.".to_owned();
    }
    html(&view)
}

/// `POST /my-account/profile`
pub(crate) async fn submit(
    State(page): State<Arc<MyAccount>>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let typed = |name: &str| form.get(name).map_or("", String::as_str);
    let (name, email) = (typed("name"), typed("email"));
    let Some(session) = visitor.cookies.session() else {
        return Ok(visitor.into_sign_in(HOME));
    };
    let view = |errors: &_, form_error: &str| {
        let shell = visitor.shell(&page, TITLE).with_errors();
        let view = ProfileView::new(&page, shell, fields(name, email, errors));
        ProfileView { form_error: form_error.to_owned(), ..view }
    };
    if visitor.is_unknown {
        return not_now(&view(&BTreeMap::new(), NOT_SAVED));
    }
    let error = match page.accounts.save_profile(session, name, email).await {
        Ok(()) => return Ok(Redirect::to("/my-account/profile?saved=1").into_response()),
        Err(error) => error,
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
