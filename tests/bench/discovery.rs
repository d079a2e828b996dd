//! What a document and a stylesheet pull in: every URL under `/assets/`, in the order in which a browser meets it.

/// The prefix of every asset.
pub(crate) const ASSETS: &str = "/assets/";

/// The assets that a document names by `href` and `src`, each once, without what follows `#`.
pub(crate) fn in_html(html: &str) -> Vec<String> {
    let values = html.split(['<', '>']).flat_map(|tag| {
        ["href=\"", "src=\""].into_iter().filter_map(move |name| {
            let value = tag.split_once(&format!(" {name}"))?.1;
            value.split('"').next()
        })
    });
    assets(values)
}

/// The assets that a stylesheet names by `url()`.
pub(crate) fn in_css(css: &str) -> Vec<String> {
    let values = css.split("url(").skip(1).filter_map(|rest| rest.split(')').next());
    assets(values.map(|value| value.trim_matches(['"', '\'', ' '])))
}

/// Where the document's script learns who is looking.
pub(crate) fn visitor_source(html: &str) -> Option<&str> {
    let value = html.split_once(" data-visitor=\"")?.1.split('"').next()?;
    value.starts_with('/').then_some(value)
}

fn assets<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values.filter(|value| value.starts_with(ASSETS)) {
        let url = value.split('#').next().unwrap_or(value);
        if !found.iter().any(|known| known == url) {
            found.push(url.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = r#"<link rel="stylesheet" href="/assets/site-1.css"><script type="module" src="/assets/site-2.js"></script>
        <body data-visitor="/visitor.json"><a href="/checkout">Basket</a>
        <use href="/assets/icons-3.svg#basket"></use><use href="/assets/icons-3.svg#person"></use>"#;

    #[test]
    fn a_document_names_its_assets_each_once_and_without_fragment() {
        assert_eq!(in_html(HTML), ["/assets/site-1.css", "/assets/site-2.js", "/assets/icons-3.svg"]);
        assert_eq!(visitor_source(HTML), Some("/visitor.json"));
        assert_eq!(visitor_source("<body>"), None);
    }

    #[test]
    fn a_stylesheet_names_its_assets_and_its_data_is_none() {
        let css = r#"a{mask:url(/assets/hills-4.svg)}b{background:url("data:image/png;base64,aa")}
            @font-face{src:url('/assets/sans-5.woff2') format("woff2")}c{mask:url(/assets/hills-4.svg)}"#;
        assert_eq!(in_css(css), ["/assets/hills-4.svg", "/assets/sans-5.woff2"]);
    }
}
