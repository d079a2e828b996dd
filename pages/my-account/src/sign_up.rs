//! Making an account, and being signed in with it.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use page_kit::{Error, html};
use templates::{Field, Kind, Shell};

use crate::accounts::SignUp;
use crate::assets;
use crate::page::{MyAccount, next, with_next};
use crate::sign_in::after;
use crate::visitor::{SIGN_IN, Visitor};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    form_error: String,
    fields: Vec<Field>,
    next: String,
    sign_in: String,
}

impl SignUpView {
    fn new(page: &MyAccount, visitor: &Visitor, next: &str) -> Self {
        Self {
            shell: visitor.shell(page, "Create an account"),
            assets: page.assets,
            section: "",
            form_error: String::new(),
            fields: fields("", "", &BTreeMap::new()),
            next: next.to_owned(),
            sign_in: with_next(SIGN_IN, next),
        }
    }
}

fn fields(name: &str, email: &str, errors: &BTreeMap<String, String>) -> Vec<Field> {
    let error = |name: &str| errors.get(name).map_or("", String::as_str);
    let password = Field::new(Kind::Password, "password", "Password", "new-password");
    vec![
        Field::new(Kind::Text, "name", "Name", "name").filled(name, error("name")),
        Field::new(Kind::Email, "email", "Email", "email").filled(email, error("email")),
        password.filled("", error("password")).hint("A few words make a good one."),
    ]
}

/// `GET /my-account/sign-up`
pub(crate) async fn show(
    State(page): State<MyAccount>,
    Query(query): Query<HashMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let next = next(&query);
    if visitor.account.is_some() {
        return Ok(after(next).into_response());
    }
    let view = SignUpView::new(&page, &visitor, next);
    Ok((visitor.cookies, html(&view)?).into_response())
}

/// `POST /my-account/sign-up`
pub(crate) async fn submit(
    State(page): State<MyAccount>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let typed = |name: &str| form.get(name).map_or("", String::as_str);
    let wanted = SignUp { name: typed("name"), email: typed("email"), password: typed("password") };
    let error = match page.accounts.sign_up(&wanted, visitor.cookies.session()).await {
        Ok(session) => {
            let cookies = visitor.cookies.with_session(session.token, session.max_age);
            return Ok((cookies, after(next(&form))).into_response());
        }
        Err(error) => error,
    };
    let Some(refusal) = error.refusal_of(&["invalid"]) else {
        return Err(error.into());
    };
    let view = SignUpView::new(&page, &visitor, next(&form));
    let view = SignUpView {
        form_error: if refusal.fields.is_empty() { refusal.message.clone() } else { String::new() },
        fields: fields(typed("name"), typed("email"), &refusal.fields),
        shell: view.shell.with_errors(),
        ..view
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, visitor.cookies, html(&view)?).into_response())
}
