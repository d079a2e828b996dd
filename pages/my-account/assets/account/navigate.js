// The account is one page with several views: links and forms within it fetch the next view and swap it in.
// The server renders every view, so whatever is not as expected becomes an ordinary navigation.
const root = document.querySelector("[data-app]");
const scope = root?.dataset.app;
const main = document.querySelector("#main");

let request = new AbortController();
let shown = location.pathname + location.search;

const within = (url) => url.origin === location.origin && (url.pathname === scope || url.pathname.startsWith(`${scope}/`));

// A view of another release, or no view of ours at all, must not be mixed into this document.
const assets = (page) => [...page.querySelectorAll("head link[rel=stylesheet], head script[src]")].map((one) => one.href || one.src).join();
const fits = (page) => page.querySelector("[data-app]") !== null && assets(page) === assets(document);

const swap = (page) => {
  document.title = page.title;
  document.querySelector("#site-nav").replaceWith(page.querySelector("#site-nav"));
  main.replaceChildren(...page.querySelector("#main").childNodes);
};

// Where a reader goes on: at the first error (site.js sees to that), or else at the view's heading.
const settle = () => {
  const heading = main.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
  document.dispatchEvent(new CustomEvent("shop:content"));
  // A live region that arrives full is not read out; the toasts' region has been there all along.
  const done = main.querySelector(":scope > .wrap > .notice--done");
  if (done) {
    document.dispatchEvent(new CustomEvent("shop:toast", { detail: { message: done.textContent.trim() } }));
    done.parentElement.remove();
  }
};

const remember = (url) => {
  const next = url.pathname + url.search;
  if (url.pathname === location.pathname) history.replaceState(null, "", next);
  else history.pushState(null, "", next);
  scrollTo({ top: 0, behavior: "instant" });
};

// `otherwise` gets the answer that can't be shown here, or null if there was none.
const visit = async (url, { options, back = false, otherwise }) => {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  main.querySelector("[data-app]").ariaBusy = "true";
  let answer = null;
  try {
    const response = await fetch(url, { ...options, headers: { accept: "text/html" }, signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    answer = { status: response.status, url: new URL(response.url), page };
  } catch {
    // Not reachable, or overtaken by the next click.
  }
  if (signal.aborted) return;
  if (answer === null || !within(answer.url) || !fits(answer.page)) {
    main.querySelector("[data-app]").ariaBusy = null;
    return void otherwise(answer);
  }
  swap(answer.page);
  if (!back) remember(answer.url);
  shown = location.pathname + location.search;
  settle();
};

const follow = (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || link.target || link.download) return;
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  if (!within(url) || url.hash) return;
  event.preventDefault();
  visit(url, { otherwise: () => location.assign(url) });
};

const doubt = () => {
  const message = "We can’t tell whether that was saved. Please look before you send it again.";
  document.dispatchEvent(new CustomEvent("shop:toast", { detail: { message } }));
};

const send = (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || !within(new URL(form.action))) return;
  event.preventDefault();
  if (form.closest("[aria-busy]")) return;
  event.submitter?.setAttribute("aria-disabled", "true");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  visit(form.action, {
    options: { method: "POST", body },
    otherwise: (answer) => {
      event.submitter?.removeAttribute("aria-disabled");
      // Done: go where it led. Refused, so nothing was done: the browser sends it and shows why. Anything else may
      // have been done, so it is not sent again by itself.
      if (answer !== null && answer.status < 400) location.assign(answer.url);
      else if (answer !== null && answer.status < 500) form.submit();
      else doubt();
    },
  });
};

if (scope) {
  document.addEventListener("click", follow);
  document.addEventListener("submit", send);
  addEventListener("popstate", () => {
    if (location.pathname + location.search === shown) return;
    visit(location.href, { back: true, otherwise: () => location.reload() });
  });
  addEventListener("beforeunload", () => request.abort());
}
