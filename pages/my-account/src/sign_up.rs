//! Making an account, and being signed in with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use page_kit::{Error, ServiceError, html, log_missing, not_now, private};
use templates::{Field, Kind, Shell};

use crate::accounts::SignUp;
use crate::assets;
use crate::page::{MyAccount, next, with_next};
use crate::sign_in::{MAYBE_SIGNED_IN, after};
use crate::visitor::{SIGN_IN, Visitor};

/// Said when accounts can't be asked.
const NOT_NOW: &str =
    "We can’t make an account at this moment. What you typed is still here; please try again in a minute.";

/// Said when accounts did not answer.
const MAYBE_MADE: &str = "We can’t tell whether your account was made. Please wait a minute and try to sign in; if you can’t, send this again.";

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
    State(page): State<Arc<MyAccount>>,
    Query(query): Query<HashMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let next = next(&query);
    if visitor.account.is_some() {
        return Ok(after(next).into_response());
    }
    let mut view = SignUpView::new(&page, &visitor, next);
    if visitor.is_unknown {
        view.shell.notice = MAYBE_SIGNED_IN.to_owned();
    }
    Ok((private(!visitor.is_unknown), visitor.cookies, html(&view)?).into_response())
}

/// `POST /my-account/sign-up`
pub(crate) async fn submit(
    State(page): State<Arc<MyAccount>>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let typed = |name: &str| form.get(name).map_or("", String::as_str);
    let wanted = SignUp { name: typed("name"), email: typed("email"), password: typed("password") };
    let view = |errors: &_, form_error: &str| {
        let view = SignUpView::new(&page, &visitor, next(&form));
        let (form_error, shell) = (form_error.to_owned(), view.shell.with_errors());
        SignUpView { form_error, fields: fields(typed("name"), typed("email"), errors), shell, ..view }
    };
    if visitor.is_unknown {
        return not_now(&view(&BTreeMap::new(), NOT_NOW));
    }
    let error = match page.accounts.sign_up(&wanted, visitor.cookies.session()).await {
        Ok(session) => {
            let cookies = visitor.cookies.with_session(session.token, session.max_age);
            return Ok((cookies, after(next(&form))).into_response());
        }
        Err(error) => error,
    };
    if let Some(refusal) = error.refusal_of(&["invalid"]) {
        let view = view(&refusal.fields, if refusal.fields.is_empty() { &refusal.message } else { "" });
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, visitor.cookies, html(&view)?).into_response());
    }
    if error.refusal().is_some() {
        return Err(error.into());
    }
    log_missing(&error);
    let form_error = match error {
        ServiceError::Unreachable { .. } => NOT_NOW,
        _ => MAYBE_MADE,
    };
    not_now(&view(&BTreeMap::new(), form_error))
}
