//! A whole page that says what went wrong (`html/problem.html`).

use askama::Template;

use crate::Shell;

/// The view of `problem.html`.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// The shell around it.
    pub shell: Shell,
    /// What is wrong, in a few words.
    pub heading: String,
    /// What the visitor can do.
    pub explanation: String,
    /// By which its log lines are found, or empty.
    pub request_id: String,
}

impl Problem {
    /// The view of a problem in its shell, with the id by which its log lines are found, or an empty one.
    pub fn new(shell: Shell, heading: &str, explanation: &str, request_id: String) -> Self {
        Self { shell, heading: heading.to_owned(), explanation: explanation.to_owned(), request_id }
    }
}
