//! A headless Chromium behind chromedriver, and the verbs of a person in front of it.

use crate::harness::{PATIENCE, Process, wait_until};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Smooth scrolling would move what is about to be clicked.
    "--force-prefers-reduced-motion",
];

/// How the browser is set up.
pub(crate) struct Setup {
    root: String,
    scripts: bool,
    dark: bool,
    window: (u32, u32),
}

/// A running browser with one tab.
pub(crate) struct Browser {
    root: String,
    client: Client,
    profile: TempDir,
    _driver: Process,
}

impl Setup {
    pub(crate) fn without_scripts(self) -> Self {
        Self { scripts: false, ..self }
    }

    pub(crate) fn dark(self, dark: bool) -> Self {
        Self { dark, ..self }
    }

    pub(crate) fn window(self, width: u32, height: u32) -> Self {
        Self { window: (width, height), ..self }
    }

    pub(crate) async fn start(self) -> Browser {
        let (driver, port) = start_driver().await;
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--window-size={},{}", self.window.0, self.window.1));
        if self.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut options = json!({"args": arguments});
        if !self.scripts {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        // A phone is narrower than the narrowest window.
        if self.window.0 < 500 {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": self.window.0, "height": self.window.1, "pixelRatio": 2.0}});
        }
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"}));
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver should start Chromium");
        Browser { root: self.root, client, profile, _driver: driver }
    }
}

/// A driver and its port. It takes a port that is free for IPv6, and ends when that is taken for IPv4: then it is started
/// once more.
async fn start_driver() -> (Process, String) {
    loop {
        let mut driver = Process::start(Command::new("chromedriver").arg("--port=0"));
        let said = driver.wait_for_line("chromedriver's port", |line| {
            let port = line.split_once("started successfully on port ");
            let port = port.map(|(_, port)| Some(port.trim_end_matches('.').to_owned()));
            port.or_else(|| line.contains("port not available").then_some(None))
        });
        if let Some(port) = said.await {
            return (driver, port);
        }
    }
}

impl Browser {
    pub(crate) fn at(root: &str) -> Setup {
        Setup { root: root.to_owned(), scripts: true, dark: false, window: (1280, 900) }
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.root)).await.unwrap();
    }

    /// The path that is showing.
    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    pub(crate) async fn wait_for(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no {css}: {error}\n{}", self.client.source().await.unwrap_or_default()),
        }
    }

    pub(crate) async fn wait_for_text(&self, css: &str, text: &str) {
        wait_until(&format!("{css} says {text}"), async || {
            let element = self.client.find(Locator::Css(css)).await.ok()?;
            // It may be replaced while we ask.
            element.text().await.ok()?.contains(text).then_some(())
        })
        .await;
    }

    /// Goes there again and again, until it says so.
    pub(crate) async fn reload_until_text(&self, path: &str, css: &str, text: &str) {
        wait_until(&format!("{css} of {path} says {text}"), async || {
            self.goto(path).await;
            let element = self.client.find(Locator::Css(css)).await.ok()?;
            element.text().await.ok()?.contains(text).then_some(())
        })
        .await;
    }

    /// Clicks what is there and can be clicked; a page that is just being swapped gets another chance.
    pub(crate) async fn click(&self, css: &str) {
        let mut refused = String::new();
        let tried = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.wait_for(css).await.click().await {
                    Ok(()) => return,
                    Err(error) => refused = error.to_string(),
                }
            }
        });
        if tried.await.is_err() {
            panic!("{css} can't be clicked: {refused}");
        }
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.wait_for(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.wait_for(css).await.select_by_value(value).await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub(crate) async fn forward(&self) {
        self.client.forward().await.unwrap();
    }

    /// What CSS computes for a property of an element, custom properties included.
    pub(crate) async fn style(&self, css: &str, property: &str) -> String {
        self.wait_for(css).await;
        let script = format!("return getComputedStyle(document.querySelector({css:?})).getPropertyValue({property:?})");
        self.evaluate(&script).await.as_str().unwrap().trim().to_owned()
    }

    async fn evaluate(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Waits until the page and everything it asked for is there.
    pub(crate) async fn wait_until_idle(&self) {
        wait_until("the page is loaded", async || {
            let loaded = "return document.readyState === 'complete' && document.fonts.status === 'loaded'";
            (self.evaluate(loaded).await == true).then_some(())
        })
        .await;
    }

    /// Paths under /assets/ that the page used, from the cache or not.
    pub(crate) async fn resources(&self) -> Vec<String> {
        let script = "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)
            .filter((path) => path.startsWith('/assets/'))";
        serde_json::from_value(self.evaluate(script).await).unwrap()
    }

    /// The cumulative layout shift since the page began to load.
    pub(crate) async fn layout_shift(&self) -> f64 {
        let script = "const done = arguments[0];
            let sum = 0;
            new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; })
                .observe({type: 'layout-shift', buffered: true});
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum))));";
        self.client.execute_async(script, vec![]).await.unwrap().as_f64().unwrap()
    }

    pub(crate) async fn scrolls_sideways(&self) -> bool {
        self.evaluate("return document.documentElement.scrollWidth > innerWidth").await == true
    }

    /// Saves what is seen to target/screenshots, for people to look at.
    pub(crate) async fn screenshot(&self, name: &str) {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let name = if name.starts_with('-') { format!("frontpage{name}") } else { name.to_owned() };
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    pub(crate) async fn assert_accessible(&self, axe: &str, what: &str) {
        self.evaluate(axe).await;
        let script = "const done = arguments[0];
            axe.run().then((result) => done(result.violations.map((one) =>
                one.id + ': ' + one.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | '))));";
        let violations = self.client.execute_async(script, vec![]).await.unwrap();
        assert_eq!(violations, json!([]), "{what}");
    }

    pub(crate) async fn assert_no_console_error(&self) {
        let log = self.client.issue_cmd(ConsoleLog).await.unwrap();
        let errors: Vec<_> = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE").collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

impl Drop for Browser {
    /// chromedriver is killed with its process; the browser that it started is found by its profile's folder.
    fn drop(&mut self) {
        let profile = self.profile.path().display().to_string();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if memchr::memmem::find(&command, profile.as_bytes()).is_some()
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// chromedriver's own command: what the console said.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}
