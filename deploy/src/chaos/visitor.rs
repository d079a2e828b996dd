//! How a visitor walks through the shop: looks, puts something into the basket, orders it, and waits to hear what
//! became of that. Patient with what fails, as visitors are who want something: a page is asked for again, and the
//! order's form is sent again as it was.

use super::book::Told;
use super::browser::{Browser, Page, client};
use super::diary::Diary;
use super::html;
use super::walk::Walk;
use crate::error::Error;
use reqwest::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How often something is tried before the visitor leaves.
const TRIES: usize = 4;
/// Between two looks at an order that is on its way, and how many there are.
const LOOKS: (Duration, usize) = (Duration::from_secs(1), 20);
const PASSWORD: &str = "a slow mountain";
const ORDER: &str = "/checkout/details";
const ACCOUNT: &str = "/my-account";
/// The first visitor's address is 127.0.0.10.
const FIRST_ADDRESS: u16 = 10;

/// Somebody who comes again and again.
#[derive(Debug)]
pub(super) struct Visitor {
    number: u16,
    seed: u64,
    diary: Arc<Diary>,
    client: Client,
    /// When the visitor goes home.
    until: Instant,
    email: String,
    has_account: bool,
}

/// One visit. Its steps return none when the visitor leaves.
struct Visit {
    browser: Browser,
    diary: Arc<Diary>,
    walk: Walk,
    thought: usize,
    until: Instant,
}

impl Visitor {
    pub(super) fn new(number: u16, seed: u64, diary: Arc<Diary>, until: Instant) -> Result<Self, Error> {
        let client = client(u8::try_from(FIRST_ADDRESS + number).unwrap_or(u8::MAX))?;
        let email = format!("visitor-{number}@example.com");
        Ok(Self { number, seed, diary, client, until, email, has_account: false })
    }

    /// Visits until it is time to go home.
    pub(super) async fn come_and_go(mut self) {
        let mut visits = 0;
        while Instant::now() < self.until {
            visits += 1;
            let walk = Walk::draw(self.seed, self.number, visits);
            let browser = Browser::new(Arc::clone(&self.diary), self.client.clone());
            let (diary, until) = (Arc::clone(&self.diary), self.until);
            let mut visit = Visit { browser, diary, walk, thought: 0, until };
            if self.visit(&mut visit).await.is_none() {
                let _ = visit.think().await;
            }
        }
    }

    async fn visit(&mut self, visit: &mut Visit) -> Option<()> {
        visit.fill_basket().await?;
        if visit.walk.signs_in {
            self.sign_in(visit).await?;
        }
        let signed_in = visit.walk.signs_in;
        visit.order(&self.email).await?;
        if signed_in {
            visit.see(ACCOUNT, |_| true).await?;
            visit.see("/my-account/orders", |_| true).await?;
        }
        Some(())
    }

    async fn sign_in(&mut self, visit: &mut Visit) -> Option<()> {
        let path = if self.has_account { "/my-account/sign-in" } else { "/my-account/sign-up" };
        visit.see(path, |page| html::has_form(&page.body, path)).await?;
        let form = [("name", "Ada"), ("email", &*self.email), ("password", PASSWORD)];
        let answer = visit.browser.submit(path, if self.has_account { &form[1..] } else { &form }).await;
        // Who signed up without an answer may have an account all the same, and is told so at the next try.
        self.has_account |= answer.as_ref().is_some_and(|page| page.status == 303 || page.status == 422);
        if let Some(next) = answer.and_then(|page| page.location) {
            visit.see(&next, |_| true).await?;
        }
        Some(())
    }
}

impl Visit {
    /// Looks at the page that is showing, and leaves if it is time.
    async fn think(&mut self) -> Option<()> {
        self.thought += 1;
        sleep(self.walk.thinks[self.thought % self.walk.thinks.len()]).await;
        (Instant::now() < self.until).then_some(())
    }

    /// Goes to a page until it is one that the visitor can go on from.
    async fn see(&mut self, path: &str, will_do: impl Fn(&Page) -> bool) -> Option<Page> {
        for _ in 0..TRIES {
            let page = self.browser.go(path).await.filter(|page| page.status == 200 && will_do(page));
            self.think().await?;
            if page.is_some() {
                return page;
            }
        }
        None
    }

    async fn fill_basket(&mut self) -> Option<()> {
        let mut shown = html::products(&self.see("/", |page| !html::products(&page.body).is_empty()).await?.body);
        if let Some(word) = self.walk.search {
            let found = html::products(&self.see(&format!("/?q={word}"), |_| true).await?.body);
            shown = if found.is_empty() { shown } else { found };
        }
        for step in 0..TRIES {
            let product = shown[(self.walk.product + step) % shown.len()].clone();
            let page = self.browser.go(&product).await;
            self.think().await?;
            // One that is sold out has no form.
            if !page.is_some_and(|page| html::has_form(&page.body, &product)) {
                continue;
            }
            let added = self.browser.submit(&product, &[("quantity", "1")]).await.and_then(|page| page.location);
            if let Some(next) = added {
                self.see(&next, |_| true).await?;
                return Some(());
            }
            self.think().await?;
        }
        None
    }

    async fn order(&mut self, email: &str) -> Option<()> {
        self.see("/checkout", |page| html::links(&page.body, ORDER)).await?;
        for _ in 0..TRIES {
            let form = self.see(ORDER, |page| html::has_form(&page.body, ORDER)).await?;
            let hidden = html::hidden_fields(&form.body, ORDER);
            let key = hidden.iter().find(|(name, _)| name == "key").map(|(_, key)| key.clone())?;
            let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
            fields.extend([("email", email), ("name", "Ada Lovelace"), ("line1", "Seestrasse 12"), ("line2", "")]);
            fields.extend([("postcode", "8002"), ("city", "Zürich"), ("country", "CH")]);
            if let Some(view) = self.place(&key, &fields).await? {
                return self.follow(&key, &view).await;
            }
        }
        None
    }

    /// Presses the button until there is an answer. The order's own view; none when the form came back.
    async fn place(&mut self, key: &str, fields: &[(&str, &str)]) -> Option<Option<String>> {
        self.diary.book().sent(key);
        for _ in 0..TRIES {
            let answers = match std::mem::take(&mut self.walk.clicks_twice) {
                true => self.browser.submit_twice(ORDER, fields).await,
                false => [None, self.browser.submit(ORDER, fields).await],
            };
            let answers: Vec<Page> = answers.into_iter().flatten().collect();
            let view = format!("/checkout/orders/{key}");
            if answers.iter().any(|page| page.location.as_ref() == Some(&view)) {
                self.diary.book().accepted(key);
                return Some(Some(view));
            }
            if answers.iter().any(|page| page.location.is_some()) {
                // Back to a basket from which nothing can be ordered.
                return None;
            }
            if let Some(page) = answers.iter().find(|page| page.status == 422 || page.status == 409) {
                self.diary.book().refused(key, &html::reason(&page.body));
                self.think().await?;
                return Some(None);
            }
            self.think().await?;
        }
        None
    }

    /// Looks at an order until it is made or failed; or leaves, and others will look.
    async fn follow(&mut self, key: &str, view: &str) -> Option<()> {
        let (between, looks) = LOOKS;
        for _ in 0..looks {
            let told = self.browser.go(view).await.and_then(|page| html::order(&page.body));
            if let Some(told) = told {
                let is_over = told != Told::Pending;
                self.diary.book().seen(key, told);
                if is_over {
                    return self.think().await;
                }
            }
            sleep(between).await;
            if Instant::now() >= self.until {
                return None;
            }
        }
        None
    }
}

/// Asks for `path` every second, whoever else walks, so that an outage of its page is seen to the second.
pub(super) async fn watch(browser: Browser, path: String, until: Instant) {
    let browser = Arc::new(browser);
    let mut looks = tokio::task::JoinSet::new();
    let mut next = Instant::now();
    while next < until {
        let (browser, path) = (Arc::clone(&browser), path.clone());
        looks.spawn(async move { browser.look(&path).await });
        next += Duration::from_secs(1);
        sleep_until(next).await;
    }
    looks.join_all().await;
}
