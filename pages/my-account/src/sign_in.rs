//! Signing in and out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, html, log_missing, not_now, private};
use templates::{Field, Kind, Shell};

use crate::accounts::SignIn;
use crate::assets;
use crate::page::{HOME, MyAccount, next, with_next};
use crate::visitor::Visitor;

/// Said when accounts can't be asked.
const NOT_NOW: &str =
    "We can’t reach your account at this moment, so you are not signed in. Please try again in a minute.";

/// Said above the form to somebody who may be signed in already.
pub(crate) const MAYBE_SIGNED_IN: &str =
    "We can’t reach your account at this moment, so we can’t tell whether you are signed in.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    form_error: String,
    fields: Vec<Field>,
    next: String,
    sign_up: String,
}

impl SignInView {
    fn new(page: &MyAccount, visitor: &Visitor, next: &str) -> Self {
        Self {
            shell: visitor.shell(page, "Sign in"),
            assets: page.assets,
            section: "",
            form_error: String::new(),
            fields: fields("", &BTreeMap::new()),
            next: next.to_owned(),
            sign_up: with_next("/my-account/sign-up", next),
        }
    }
}

fn fields(email: &str, errors: &BTreeMap<String, String>) -> Vec<Field> {
    let error = |name: &str| errors.get(name).map_or("", String::as_str);
    vec![
        Field::new(Kind::Email, "email", "Email", "username").filled(email, error("email")),
        Field::new(Kind::Password, "password", "Password", "current-password").filled("", error("password")),
    ]
}

/// `GET /my-account/sign-in`
pub(crate) async fn show(
    State(page): State<Arc<MyAccount>>,
    Query(query): Query<HashMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let next = next(&query);
    if visitor.account.is_some() {
        return Ok(after(next).into_response());
    }
    if query.is_empty() && visitor.is_nobody() {
        let form = page.sign_in.or_render((), || html(&SignInView::new(&page, &visitor, "")))?;
        return Ok((private(true), visitor.cookies, form).into_response());
    }
    let mut view = SignInView::new(&page, &visitor, next);
    if query.contains_key("signed-out") {
        view.shell.message = "You are signed out.".to_owned();
    }
    if visitor.is_unknown {
        view.shell.notice = MAYBE_SIGNED_IN.to_owned();
    }
    Ok((private(!visitor.is_unknown), visitor.cookies, html(&view)?).into_response())
}

/// `POST /my-account/sign-in`
pub(crate) async fn submit(
    State(page): State<Arc<MyAccount>>,
    visitor: Visitor,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Error> {
    let typed = |name: &str| form.get(name).map_or("", String::as_str);
    let credentials = SignIn { email: typed("email"), password: typed("password") };
    let view = |errors: &_, form_error: &str| {
        let view = SignInView::new(&page, &visitor, next(&form));
        let (form_error, shell) = (form_error.to_owned(), view.shell.with_errors());
        SignInView { form_error, fields: fields(typed("email"), errors), shell, ..view }
    };
    if visitor.is_unknown {
        return not_now(&view(&BTreeMap::new(), NOT_NOW));
    }
    let error = match page.accounts.sign_in(&credentials, visitor.cookies.session()).await {
        Ok(session) => {
            let cookies = visitor.cookies.with_session(session.token, session.max_age);
            return Ok((cookies, after(next(&form))).into_response());
        }
        Err(error) => error,
    };
    if let Some(refusal) = error.refusal_of(&["invalid", "bad_credentials"]) {
        let view = view(&refusal.fields, &refusal.message);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, visitor.cookies, html(&view)?).into_response());
    }
    if error.refusal().is_some() {
        return Err(error.into());
    }
    log_missing(&error);
    not_now(&view(&BTreeMap::new(), NOT_NOW))
}

/// `POST /my-account/sign-out`: the visitor is signed out here, whether or not accounts can be told.
pub(crate) async fn sign_out(State(page): State<Arc<MyAccount>>, cookies: Cookies) -> impl IntoResponse {
    if let Some(session) = cookies.session()
        && let Err(error) = page.accounts.sign_out(session).await
    {
        log_missing(&error);
    }
    (cookies.without_session(), Redirect::to("/my-account/sign-in?signed-out=1"))
}

/// On to where the visitor wanted to go.
pub(crate) fn after(next: &str) -> Redirect {
    Redirect::to(if next.is_empty() { HOME } else { next })
}
