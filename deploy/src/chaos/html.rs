//! What a browser takes from a page of the shop: links, forms, assets, and what the page says of itself.

use super::book::Told;

/// The paths of the products that are linked, each once, in order.
pub(super) fn products(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in values(html, "href").filter(|path| path.starts_with("/products/")) {
        if !found.iter().any(|known| known == path) {
            found.push(path.to_owned());
        }
    }
    found
}

/// The assets that the page names, by their URLs, each once.
pub(super) fn assets(html: &str) -> Vec<String> {
    let linked = values(html, "href").chain(values(html, "src"));
    let mut found: Vec<String> = linked
        .filter(|url| url.starts_with("/assets/"))
        .map(|url| url.split('#').next().unwrap_or(url).to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether the page has a form that is sent to `action`, by POST.
pub(super) fn has_form(html: &str, action: &str) -> bool {
    form(html, action).is_some()
}

/// The hidden fields of the form that is sent to `action`.
pub(super) fn hidden_fields(html: &str, action: &str) -> Vec<(String, String)> {
    let inputs = form(html, action).unwrap_or_default().split("<input").skip(1);
    let tags = inputs.filter_map(|rest| rest.split('>').next()).filter(|tag| tag.contains("type=\"hidden\""));
    tags.filter_map(|tag| Some((value(tag, "name")?.to_owned(), value(tag, "value")?.to_owned()))).collect()
}

fn form<'a>(html: &'a str, action: &str) -> Option<&'a str> {
    let mut forms = html.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next());
    forms.find(|form| {
        let tag = form.split('>').next().unwrap_or_default();
        value(tag, "action") == Some(action) && value(tag, "method") == Some("post")
    })
}

/// Whether the page links `path`.
pub(super) fn links(html: &str, path: &str) -> bool {
    values(html, "href").any(|found| found == path)
}

/// Where the page's script learns who is looking.
pub(super) fn visitor_source(html: &str) -> Option<&str> {
    value(html, "data-visitor").filter(|path| path.starts_with('/'))
}

/// Whether the page says that something is missing or old: by a notice that neither reports what the visitor did nor
/// what is wrong with a form, or by the cloud in the place of what can't be shown.
pub(super) fn is_degraded(html: &str) -> bool {
    let of_the_visitor = ["notice--done", "notice--error"];
    let is_notice = |class: &str| {
        class.split_whitespace().any(|name| name == "notice")
            && !class.split_whitespace().any(|name| of_the_visitor.contains(&name))
    };
    values(html, "class").any(is_notice) || values(html, "href").any(|link| link.ends_with("#cloud"))
}

/// What an order's own view says of it.
pub(super) fn order(html: &str) -> Option<Told> {
    let mark = values(html, "class").find(|class| class.split_whitespace().any(|name| name == "confirmation__mark"))?;
    Some(if mark.contains("--done") {
        Told::Made
    } else if mark.contains("--failed") {
        Told::Failed(reason(html))
    } else {
        Told::Pending
    })
}

/// Why a form came back, or an order failed: the words of the first error, or of the first paragraph.
pub(super) fn reason(html: &str) -> String {
    let main = html.split_once("<main").map_or(html, |(_, main)| main);
    let marks = ["notice notice--error", "class=\"field__error", "class=\"lede\"", "<h1"];
    let told = marks.iter().find_map(|mark| main.split_once(mark)).map(|(_, rest)| rest);
    let text = told.and_then(|rest| rest.split_once('>')).map(|(_, rest)| words(rest)).unwrap_or_default();
    if text.is_empty() { "no reason that we understand".to_owned() } else { text }
}

/// The text up to the end of its paragraph or heading, without tags.
fn words(html: &str) -> String {
    let end = ["</p>", "</h1>"].iter().filter_map(|tag| html.find(tag)).min().unwrap_or(html.len().min(400));
    let mut text = String::new();
    let mut is_tag = false;
    for letter in html.get(..end).unwrap_or_default().chars() {
        match letter {
            '<' => is_tag = true,
            '>' => is_tag = false,
            letter if !is_tag => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn value<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    values(html, name).next()
}

/// The values of all attributes of that name.
fn values<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_once(&begin)?;
        let (value, behind) = behind.split_once('"')?;
        rest = behind;
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_assets_are_found_once_each() {
        let html = r##"<link rel="stylesheet" href="/assets/site-5d1f0c3a9b7e2468.css">
            <script type="module" src="/assets/site-aa.js"></script><a href="/products/a">A</a>
            <use href="/assets/icons-bb.svg#tarn"></use><use href="/assets/icons-bb.svg#cart"></use>
            <a href="/products/b">B</a><a href="/products/a">A</a><a href="/">Shop</a>"##;
        assert_eq!(products(html), ["/products/a", "/products/b"]);
        assert_eq!(assets(html), ["/assets/icons-bb.svg", "/assets/site-5d1f0c3a9b7e2468.css", "/assets/site-aa.js"]);
    }

    #[test]
    fn a_form_is_found_by_its_action_with_its_hidden_fields() {
        let html = r#"<form action="/search" method="get"><input type="hidden" name="no" value="no"></form>
            <form class="checkout" action="/checkout/details" method="post">
            <input type="hidden" name="key" value="0b9a"><input type="hidden" name="total" value="85800">
            <input class="input" name="email" value=""></form>"#;
        assert!(has_form(html, "/checkout/details") && !has_form(html, "/checkout") && !has_form(html, "/search"));
        let fields = [("key", "0b9a"), ("total", "85800")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(hidden_fields(html, "/checkout/details"), fields);
    }

    #[test]
    fn a_page_is_degraded_when_it_says_that_something_is_missing_or_old() {
        for (html, degraded) in [
            (r#"<p class="notice notice--missing" role="status">"#, true),
            (r#"<p class="notice notice--stale">"#, true),
            (r#"<p class="notice notice--done">Added"#, false),
            (r#"<p class="notice notice--error">Look again"#, false),
            (r#"<p class="noticeable">"#, false),
            (r##"<use href="/assets/icons-bb.svg#cloud">"##, true),
            (r##"<use href="/assets/icons-bb.svg#check">"##, false),
        ] {
            assert_eq!(is_degraded(html), degraded, "{html}");
        }
    }

    #[test]
    fn the_view_of_an_order_says_made_pending_or_failed() {
        let mark = |class: &str| format!(r#"<main><span class="{class}"></span><h1>Sold  <b>out</b>.</h1>"#);
        assert_eq!(order(&mark("confirmation__mark confirmation__mark--done")), Some(Told::Made));
        assert_eq!(order(&mark("confirmation__mark")), Some(Told::Pending));
        let failed = order(&mark("confirmation__mark confirmation__mark--failed"));
        assert_eq!(failed, Some(Told::Failed("Sold out.".to_owned())));
        assert_eq!(order("<h1>No such step</h1>"), None);
    }

    #[test]
    fn a_form_that_came_back_says_why() {
        let html = r#"<main><h1>Where shall it go?</h1><p class="notice notice--error" role="alert"><svg></svg>
            <span>Only 2 left.</span></p>"#;
        assert_eq!(reason(html), "Only 2 left.");
    }
}
