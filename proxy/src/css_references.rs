//! What a stylesheet pulls in: every `url(…)` and `@import`, as written (CSS Syntax 3, CSS Values 4 section 4.5).

use cssparser::{Parser, ParserInput, Token};

/// All references of a stylesheet, in their order; `data:` URLs and fragments alone are left out.
pub fn of(css: &str) -> Vec<String> {
    let mut input = ParserInput::new(css);
    let mut found = Vec::new();
    collect(&mut Parser::new(&mut input), &mut found);
    found.retain(|url| !url.is_empty() && !url.starts_with('#') && !url.to_ascii_lowercase().starts_with("data:"));
    found
}

fn collect(parser: &mut Parser<'_, '_>, found: &mut Vec<String>) {
    let mut after_import = false;
    loop {
        let token = match parser.next() {
            Ok(token) => token.clone(),
            Err(_) => return,
        };
        let is_import = matches!(&token, Token::AtKeyword(name) if name.eq_ignore_ascii_case("import"));
        match token {
            Token::UnquotedUrl(url) => found.push(url.to_string()),
            Token::QuotedString(url) if after_import => found.push(url.to_string()),
            Token::Function(name) => {
                let is_url = ["url", "src", "image"].iter().any(|url| name.eq_ignore_ascii_case(url));
                let is_image_set = name.to_ascii_lowercase().ends_with("image-set");
                nested(parser, found, is_url || is_image_set);
            }
            Token::ParenthesisBlock | Token::SquareBracketBlock | Token::CurlyBracketBlock => {
                nested(parser, found, false)
            }
            _ => {}
        }
        after_import = is_import;
    }
}

/// Goes into a block; in a function that takes URLs as strings, every string is one.
fn nested(parser: &mut Parser<'_, '_>, found: &mut Vec<String>, strings_are_urls: bool) {
    let walked = parser.parse_nested_block(|inner| {
        if strings_are_urls {
            while let Ok(token) = inner.next().cloned() {
                match token {
                    Token::QuotedString(url) | Token::UnquotedUrl(url) => found.push(url.to_string()),
                    Token::Function(name) => nested(inner, found, name.eq_ignore_ascii_case("url")),
                    _ => {}
                }
            }
        } else {
            collect(inner, found);
        }
        Ok::<(), cssparser::ParseError<'_, ()>>(())
    });
    // The closure never fails; a block that the end of the sheet closes is a block (CSS Syntax 3 section 5.4.8).
    debug_assert!(walked.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_found_wherever_it_stands() {
        for (css, expected) in [
            ("a{background:url(/assets/a.svg)}", vec!["/assets/a.svg"]),
            ("a{background:url( \"b.svg\" ) , URL('c.svg')}", vec!["b.svg", "c.svg"]),
            ("@import \"d.css\";@import url(e.css) print;", vec!["d.css", "e.css"]),
            ("@media print{a{cursor:url(f.cur),auto}}", vec!["f.cur"]),
            ("@font-face{src:url(g.woff2)format(\"woff2\")}", vec!["g.woff2"]),
            ("a{background:image-set(\"h.png\" 1x,url(i.png) 2x)}", vec!["h.png", "i.png"]),
            ("a{--x:url(j.svg)}", vec!["j.svg"]),
            ("a{background:url(data:image/png;base64,AA==);clip-path:url(#k)}", vec![]),
            ("/* url(l.svg) */a{content:\"url(m.svg)\"}", vec![]),
            ("a{background:url(n.svg", vec!["n.svg"]),
            ("a{background:url(o\\.svg)}", vec!["o.svg"]),
        ] {
            assert_eq!(of(css), expected, "{css}");
        }
    }
}
