//! The bodies of answers that the proxy makes itself: a branded page for people, one line of text for everything else.

use http::StatusCode;
use std::collections::HashMap;
use std::path::Path;

/// Error pages by status.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ErrorPages(HashMap<u16, String>);

/// An answer's body and its type.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// The `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

impl ErrorPages {
    /// Reads every `<status>.html` of a folder.
    ///
    /// # Errors
    /// When the folder or one of its pages can't be read.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let mut pages = HashMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let status = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(status) = status.filter(|_| path.extension().is_some_and(|extension| extension == "html")) {
                pages.insert(status, std::fs::read_to_string(&path)?);
            }
        }
        Ok(Self(pages))
    }

    /// The body for a status. `{{request_id}}` and `{{page}}` in a page file are filled in; both are safe in HTML, the
    /// one made or checked by us, the other a page file's name.
    pub fn body(&self, status: StatusCode, request_id: &str, page: &str, wants_html: bool) -> ErrorBody {
        match self.0.get(&status.as_u16()).filter(|_| wants_html) {
            Some(html) => ErrorBody {
                content_type: "text/html; charset=utf-8",
                text: html.replace("{{request_id}}", request_id).replace("{{page}}", page),
            },
            None => ErrorBody {
                content_type: "text/plain; charset=utf-8",
                text: format!(
                    "{} {} (request {request_id})\n",
                    status.as_u16(),
                    status.canonical_reason().unwrap_or("Error")
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_the_branded_page_and_programs_a_line() {
        let pages = ErrorPages(HashMap::from([(404, "<p>{{page}} {{request_id}}</p>".to_owned())]));
        assert_eq!(pages.body(StatusCode::NOT_FOUND, "r1", "checkout", true).text, "<p>checkout r1</p>");
        assert_eq!(pages.body(StatusCode::NOT_FOUND, "r1", "", false).text, "404 Not Found (request r1)\n");
        assert_eq!(pages.body(StatusCode::BAD_GATEWAY, "r1", "", true).content_type, "text/plain; charset=utf-8");
    }
}
