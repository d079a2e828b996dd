//! A visit: what a browser asks for while somebody looks at three pages, the first time and again later. The steps are
//! found in what the pages answer; the headers are Chromium's.

use crate::discovery::{self, ASSETS};
use crate::error::Error;
use crate::ground::Ground;
use crate::probe::{Answer, Ask, Expected};
use std::net::SocketAddr;

/// The pages that are looked at, one after the other.
const WALK: [&str; 3] = ["/", "/my-account", "/checkout"];
const REDIRECTS: usize = 5;
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Document,
    Style,
    Script,
    Font,
    Image,
    Data,
}

/// One request of a visit.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) path: String,
    /// The path of what made the browser ask.
    pub(crate) referer: Option<String>,
    destination: Destination,
    pub(crate) expected: Expected,
    /// Whether the browser asks for it once and never again.
    pub(crate) immutable: bool,
}

/// The steps of a first visit, found by asking the pages themselves.
pub(crate) async fn first(ground: &Ground) -> Result<Vec<Step>, Error> {
    let mut steps: Vec<Step> = Vec::new();
    let mut showing: Option<String> = None;
    for start in WALK {
        let (path, html) = open(ground, &mut steps, start, showing.as_deref()).await?;
        for asset in discovery::in_html(&html) {
            let css = fetch(ground, &mut steps, &asset, &path, Destination::of(&asset)).await?;
            if Destination::of(&asset) == Destination::Style {
                for nested in discovery::in_css(&css) {
                    fetch(ground, &mut steps, &nested, &asset, Destination::of(&nested)).await?;
                }
            }
        }
        if let Some(source) = discovery::visitor_source(&html) {
            fetch(ground, &mut steps, source, &path, Destination::Data).await?;
        }
        showing = Some(path);
    }
    Ok(steps)
}

/// Goes to a page, wherever that leads.
async fn open(
    ground: &Ground,
    steps: &mut Vec<Step>,
    start: &str,
    referer: Option<&str>,
) -> Result<(String, String), Error> {
    let mut path = start.to_owned();
    for _ in 0..REDIRECTS {
        let answer = ask(ground, &path, None).await?;
        let (body, location) = (text(&answer), answer.header("location").to_owned());
        steps.push(Step::new(&path, referer, Destination::Document, &answer));
        if answer.status == 200 {
            return Ok((path, body));
        }
        path = location;
    }
    Err(Error::Answer { place: "the pages".to_owned(), path: start.to_owned(), reason: "leads nowhere".to_owned() })
}

/// Asks for what the browser does not have yet.
async fn fetch(
    ground: &Ground,
    steps: &mut Vec<Step>,
    path: &str,
    referer: &str,
    destination: Destination,
) -> Result<String, Error> {
    let has = |step: &Step| step.path == path && destination != Destination::Data;
    if steps.iter().any(has) {
        return Ok(String::new());
    }
    let answer = ask(ground, path, Some(referer)).await?;
    steps.push(Step::new(path, Some(referer), destination, &answer));
    Ok(text(&answer))
}

/// Asks the page that has it: an asset's is that of the Referer, and a stylesheet's is any.
async fn ask(ground: &Ground, path: &str, referer: Option<&str>) -> Result<Answer, Error> {
    let asset = path.starts_with(ASSETS);
    let shown = referer.filter(|referer| asset && !referer.starts_with(ASSETS)).unwrap_or(path);
    let page = ground.instance_for(shown);
    let page = page.ok_or_else(|| Error::Answer {
        place: "the pages".to_owned(),
        path: path.to_owned(),
        reason: "no page has it".to_owned(),
    })?;
    let answer = ground.answer(page, &Ask::plain(path)).await?;
    if answer.status >= 400 {
        let reason = format!("answered {}", answer.status);
        return Err(Error::Answer { place: page.page.name.clone(), path: path.to_owned(), reason });
    }
    Ok(answer)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

impl Step {
    fn new(path: &str, referer: Option<&str>, destination: Destination, answer: &Answer) -> Self {
        Self {
            path: path.to_owned(),
            referer: referer.map(str::to_owned),
            destination,
            expected: answer.expected(),
            immutable: answer.header("cache-control").contains("immutable"),
        }
    }

    /// The request as Chromium makes it to `at`.
    fn ask(&self, at: SocketAddr) -> Ask {
        let site = if self.referer.is_some() { "same-origin" } else { "none" };
        let (accept, mode, name) = self.destination.fetched();
        let mut ask = Ask::plain(&self.path);
        for (header, value) in [
            ("sec-ch-ua", "\"Chromium\";v=\"156\", \"Not)A;Brand\";v=\"99\""),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-ch-ua-platform", "\"Linux\""),
            ("User-Agent", AGENT),
            ("Accept", accept),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", mode),
            ("Sec-Fetch-Dest", name),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Accept-Language", "en-US,en;q=0.9"),
        ] {
            ask = ask.with(header, value);
        }
        if self.destination == Destination::Document {
            ask = ask.with("Upgrade-Insecure-Requests", "1").with("Sec-Fetch-User", "?1");
        }
        match &self.referer {
            Some(referer) => ask.with("Referer", &format!("http://{at}{referer}")),
            None => ask,
        }
    }
}

impl Destination {
    fn of(asset: &str) -> Self {
        match asset.rsplit('.').next() {
            Some("css") => Self::Style,
            Some("js") => Self::Script,
            Some("woff2") => Self::Font,
            _ => Self::Image,
        }
    }

    /// `Accept`, `Sec-Fetch-Mode` and `Sec-Fetch-Dest`.
    fn fetched(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Document => (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
                "navigate",
                "document",
            ),
            Self::Style => ("text/css,*/*;q=0.1", "no-cors", "style"),
            Self::Script => ("*/*", "cors", "script"),
            Self::Font => ("*/*", "cors", "font"),
            Self::Image => ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "no-cors", "image"),
            Self::Data => ("application/json", "cors", "empty"),
        }
    }
}

/// The requests of a first visit to `at`, the last of which ends the connection.
pub(crate) fn cold(steps: &[Step], at: SocketAddr) -> (Vec<Ask>, Vec<Expected>) {
    whole(steps.iter().map(|step| (step.ask(at), step.expected.clone())).collect())
}

/// Those of a later one, when pages have to be asked again: what has a tag is asked for by it. `tag` knows the tag that
/// this very server gave.
pub(crate) fn warm(steps: &[Step], at: SocketAddr, tag: impl Fn(&Ask) -> Option<String>) -> (Vec<Ask>, Vec<Expected>) {
    let again = steps.iter().filter(|step| !step.immutable).map(|step| {
        let ask = step.ask(at);
        match tag(&ask) {
            Some(tag) => (ask.with("If-None-Match", &tag), Expected { status: 304, body: None }),
            None => (ask, step.expected.clone()),
        }
    });
    whole(again.collect())
}

fn whole(mut visit: Vec<(Ask, Expected)>) -> (Vec<Ask>, Vec<Expected>) {
    let count = visit.len();
    for (index, (ask, _)) in visit.iter_mut().enumerate() {
        let connection = if index + 1 == count { "close" } else { "keep-alive" };
        ask.headers.insert(0, ("Connection", connection.to_owned()));
    }
    visit.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(path: &str, referer: Option<&str>, destination: Destination, immutable: bool) -> Step {
        let expected = Expected { status: 200, body: None };
        Step { path: path.to_owned(), referer: referer.map(str::to_owned), destination, expected, immutable }
    }

    fn header<'a>(ask: &'a Ask, name: &str) -> Option<&'a str> {
        ask.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_later_visit_asks_for_nothing_immutable_and_by_tag_for_what_has_one() {
        let steps = [
            step("/", None, Destination::Document, false),
            step("/assets/site-1.css", Some("/"), Destination::of("/assets/site-1.css"), true),
            step("/checkout", Some("/"), Destination::Document, false),
        ];
        let at = "127.0.0.1:8080".parse().unwrap();
        let (asks, _) = cold(&steps, at);
        assert_eq!(asks.len(), 3);
        assert_eq!(header(&asks[1], "Referer"), Some("http://127.0.0.1:8080/"));
        assert_eq!(header(&asks[1], "Sec-Fetch-Dest"), Some("style"));
        let ends: Vec<_> = asks.iter().map(|ask| header(ask, "Connection").unwrap()).collect();
        assert_eq!(ends, ["keep-alive", "keep-alive", "close"]);

        let (asks, expected) = warm(&steps, at, |ask| (ask.path == "/").then(|| "\"t\"".to_owned()));
        assert_eq!(asks.iter().map(|ask| ask.path.as_str()).collect::<Vec<_>>(), ["/", "/checkout"]);
        assert_eq!((header(&asks[0], "If-None-Match"), expected[0].status), (Some("\"t\""), 304));
        assert_eq!((header(&asks[1], "If-None-Match"), expected[1].status), (None, 200));
    }
}
