//! The cache of pages' answers, shared by all visitors (RFC 9111): what is kept, under which key, and for how long. Bounded by
//! bytes, in memory only.
//!
//! Pages decide by their `Cache-Control`; a page that says nothing is asked each time. No personal byte gets in or out: a
//! request with a cookie named in `cache.bypass_cookies`, or `Authorization`, passes the cache by ([`passage`]), and an answer
//! that is `private` or sets a cookie is not kept ([`terms`]).
//!
//! An answer belongs to the release that gave it. It is used while all healthy instances of its page are of that release, and
//! while there is none at all: then visitors get what is fresh still, or allowed by `stale-if-error`, instead of an error. While
//! a page has two releases, its answers are neither kept nor used. What its page's file no longer has, no route leads to.
//!
//! Of pingora-cache nothing is used: it leaves out of its account a page's own `Age`, all but five fields of a 304 and what a
//! request asks of caches, and refreshes in tasks that nothing bounds.
//!
//! [`passage`] is the way of a request past the cache, [`verdict`] what becomes of one that it can't answer at once, [`refresh`]
//! asks a page anew, [`flights`] lets one ask for many; [`keeping`] and [`filling`] take a page's answer in. [`entry`] and
//! [`cached_answer`] are one kept answer and how it is given. Pure: [`directives`], [`terms`].

pub mod cached_answer;
pub mod directives;
pub mod entry;
pub mod filling;
pub mod flights;
pub mod keeping;
pub mod passage;
pub mod refresh;
pub mod terms;
pub mod verdict;

use entry::Entry;
use filling::Budget;
use flights::Flights;
use http::HeaderMap;
use moka::Expiry;
use moka::sync::Cache;
use refresh::Asker;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Scheme, host and target, as bytes: what a page can tell requests apart by, besides the fields that it says it varies by.
pub type Key = Arc<[u8]>;

/// Answers under one key that differ by what they vary by, at most; the oldest goes first.
const VARIANTS: usize = 16;

/// How long a key is known to be for nobody else, so that nobody waits for another's answer.
const UNCACHEABLE_FOR: Duration = Duration::from_secs(60);

/// How long a page that failed is not asked anew for a key that there is a stale answer for.
const RESTS_FOR: Duration = Duration::from_secs(1);

/// How long an answer may be under way at most: for so long it is remembered that a key was invalidated meanwhile.
const UNDER_WAY: Duration = Duration::from_secs(300);

/// How many keys each of these memories has.
const REMEMBERED: u64 = 10_000;

/// The cache.
pub struct PageCache {
    entries: Cache<Key, Arc<Variants>>,
    /// Since when it is known that what is under a key is for nobody else.
    uncacheable: Cache<Key, Instant>,
    resting: Cache<Key, ()>,
    invalidated: Cache<Key, Instant>,
    flights: Arc<Flights>,
    budget: Budget,
    asker: Asker,
    is_on: bool,
}

/// The answers under one key, the newest first.
struct Variants(Vec<Arc<Entry>>);

/// Which of a page's answers may be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Those of the one release that it has; `None` for a page without a manifest.
    Live(Option<Arc<str>>),
    /// Those of any release: no instance is healthy.
    Dead,
    /// None: visitors get one release or the other.
    Split,
}

/// What the cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Hit,
    /// It answered with what is stale.
    Stale,
    /// It answered after the page was asked whether the answer still holds.
    Revalidated,
    /// The page was asked.
    Miss,
    /// The request passed the cache by.
    Bypass,
    /// The page was asked, and its answer is for nobody else.
    Uncacheable,
}

/// How full the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Keys.
    pub entries: u64,
    /// Bytes, about.
    pub bytes: u64,
}

impl Outcome {
    /// All, in their order.
    pub const ALL: [Self; 6] = [Self::Hit, Self::Stale, Self::Revalidated, Self::Miss, Self::Bypass, Self::Uncacheable];

    /// The word in the log and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Uncacheable => "uncacheable",
        }
    }

    /// The word in `x-cache`: what it was to the visitor.
    pub const fn seen(self) -> &'static str {
        match self {
            Self::Hit | Self::Revalidated => "hit",
            Self::Stale => "stale",
            Self::Miss | Self::Uncacheable => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl PageCache {
    /// A cache of so many bytes; 0 turns it off. Pages are asked anew on this runtime.
    pub fn new(memory_bytes: u64, runtime: tokio::runtime::Handle) -> Self {
        let entries = Cache::builder()
            .max_capacity(memory_bytes)
            .weigher(|key: &Key, variants: &Arc<Variants>| {
                let weight: usize = variants.0.iter().map(|entry| entry.weight()).sum();
                u32::try_from(key.len() + weight).unwrap_or(u32::MAX)
            })
            .expire_after(WorthKeeping)
            .build();
        Self {
            entries,
            uncacheable: Cache::builder().max_capacity(REMEMBERED).time_to_live(UNCACHEABLE_FOR).build(),
            resting: Cache::builder().max_capacity(REMEMBERED).time_to_live(RESTS_FOR).build(),
            invalidated: Cache::builder().max_capacity(REMEMBERED).time_to_live(UNDER_WAY).build(),
            flights: Arc::default(),
            budget: Budget::of(usize::try_from(memory_bytes).unwrap_or(usize::MAX)),
            asker: Asker::new(runtime),
            is_on: memory_bytes > 0,
        }
    }

    /// How full it is.
    pub fn status(&self) -> CacheStatus {
        self.entries.run_pending_tasks();
        CacheStatus { entries: self.entries.entry_count(), bytes: self.entries.weighted_size() }
    }

    /// Whether it is known, since not so long ago that somebody is to look again, that what is under a key is for nobody else.
    fn is_uncacheable(&self, key: &[u8]) -> bool {
        self.uncacheable.get(key).is_some_and(|since| since.elapsed() <= UNCACHEABLE_FOR / 2)
    }

    /// The newest answer that stands for a request.
    fn find(&self, key: &[u8], standing: &Standing, request: &HeaderMap) -> Option<Arc<Entry>> {
        let variants = self.entries.get(key)?;
        let found = variants.0.iter().find(|entry| standing.has(entry) && entry.matches(request))?;
        Some(Arc::clone(found))
    }

    /// Keeps an answer to a question that was asked then. Whether it did: what was invalidated meanwhile may be of before.
    fn store(&self, key: &Key, entry: &Arc<Entry>, asked: Instant) -> bool {
        if self.invalidated.get(key).is_some_and(|at| at >= asked) {
            return false;
        }
        self.uncacheable.invalidate(key);
        self.resting.invalidate(key);
        self.entries.entry_by_ref(key).and_upsert_with(|known| {
            let known = known.map(moka::Entry::into_value);
            Arc::new(Variants::with(entry, known.as_deref()))
        });
        true
    }

    /// Lets go of what is kept under a key, and of what is just being asked for.
    fn invalidate(&self, key: &Key) {
        self.invalidated.insert(Arc::clone(key), Instant::now());
        self.entries.invalidate(key);
    }
}

impl std::fmt::Debug for PageCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PageCache").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}

impl Variants {
    fn with(entry: &Arc<Entry>, known: Option<&Self>) -> Self {
        // Of another release nothing is used any more.
        let stays = |other: &&Arc<Entry>| !entry.replaces(other) && entry.release() == other.release();
        let others = known.into_iter().flat_map(|known| known.0.iter().filter(stays).cloned());
        Self(std::iter::once(Arc::clone(entry)).chain(others).take(VARIANTS).collect())
    }

    fn worth_keeping(&self) -> Option<Duration> {
        self.0.iter().map(|entry| entry.worth_keeping()).max()
    }
}

impl Standing {
    fn has(&self, entry: &Entry) -> bool {
        match self {
            Self::Live(release) => entry.release() == release.as_ref(),
            Self::Dead => true,
            Self::Split => false,
        }
    }
}

struct WorthKeeping;

impl Expiry<Key, Arc<Variants>> for WorthKeeping {
    fn expire_after_create(&self, _key: &Key, variants: &Arc<Variants>, _now: Instant) -> Option<Duration> {
        variants.worth_keeping()
    }

    fn expire_after_update(
        &self,
        _key: &Key,
        variants: &Arc<Variants>,
        _now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        variants.worth_keeping()
    }
}

/// The key of a request. A host has no slash, and a target begins with one: no two are the same by chance.
fn key_of(is_https: bool, host: &[u8], target: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + host.len() + target.len());
    key.push(if is_https { b's' } else { b'p' });
    key.extend(host.iter().map(u8::to_ascii_lowercase));
    key.extend_from_slice(target);
    key
}

#[cfg(test)]
mod tests {
    use super::entry::tests::{entry, fields};
    use super::*;

    fn cache(bytes: u64) -> (PageCache, tokio::runtime::Runtime) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        (PageCache::new(bytes, runtime.handle().clone()), runtime)
    }

    fn key(text: &str) -> Key {
        text.as_bytes().into()
    }

    const LIVE: Standing = Standing::Live(None);

    #[test]
    fn variants_stand_side_by_side_and_the_oldest_goes_first() {
        let (cache, _runtime) = cache(1 << 20);
        let key = key("phost/");
        let x = |value: usize| fields(&[("x", value.to_string().leak())]);
        for value in 0..=VARIANTS {
            let entry = Arc::new(entry(&[("vary", "x")], &[("x", value.to_string().leak())]));
            assert!(cache.store(&key, &entry, Instant::now()));
            assert!(cache.store(&key, &entry, Instant::now()), "the same once more takes no second place");
        }
        assert!(cache.find(&key, &LIVE, &x(0)).is_none());
        assert!((1..=VARIANTS).all(|value| cache.find(&key, &LIVE, &x(value)).is_some()));
        assert_eq!(cache.status().entries, 1);
    }

    #[test]
    fn an_answer_is_used_while_its_release_is_live_or_none_is() {
        let (cache, _runtime) = cache(1 << 20);
        let key = key("phost/");
        assert!(cache.store(&key, &Arc::new(entry(&[], &[])), Instant::now()));
        let other = Standing::Live(Some("2.0".into()));
        for (standing, expected) in [(LIVE, true), (other, false), (Standing::Dead, true), (Standing::Split, false)] {
            let found = cache.find(&key, &standing, &HeaderMap::new());
            assert_eq!(found.is_some(), expected, "{standing:?}");
        }
    }

    #[test]
    fn what_was_asked_for_before_an_invalidation_is_not_kept() {
        let (cache, _runtime) = cache(1 << 20);
        let (key, entry, asked) = (key("phost/"), Arc::new(entry(&[], &[])), Instant::now());
        assert!(cache.store(&key, &entry, asked));
        cache.invalidate(&key);
        assert!(cache.find(&key, &LIVE, &HeaderMap::new()).is_none());
        assert!(!cache.store(&key, &entry, asked));
        assert!(cache.store(&key, &entry, Instant::now()));
    }

    #[test]
    fn the_bytes_are_bounded() {
        let (cache, _runtime) = cache(100_000);
        for index in 0..1_000 {
            cache.store(&key(&format!("phost/{index}")), &Arc::new(entry(&[], &[])), Instant::now());
        }
        let status = cache.status();
        assert!(status.bytes <= 100_000 && (50..200).contains(&status.entries), "{status:?}");
    }

    #[test]
    fn a_key_tells_scheme_host_and_target_apart_and_no_case_of_a_host() {
        let key = |is_https, host: &str, target: &str| key_of(is_https, host.as_bytes(), target.as_bytes());
        assert_eq!(key(false, "Shop.Example", "/a"), key(false, "shop.example", "/a"));
        let all = [
            key(false, "a", "/b"),
            key(true, "a", "/b"),
            key(false, "b", "/b"),
            key(false, "a", "/B"),
            key(false, "a", "/b?"),
            key(false, "a:80", "/b"),
        ];
        assert!(all.iter().enumerate().all(|(index, one)| !all[..index].contains(one)));
    }
}
