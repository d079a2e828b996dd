// Search and filters, in place. The address always says what is shown, so it can be kept, sent and gone back to.
const form = document.querySelector("[data-search]");
const results = document.querySelector("[data-results]");
const announcement = document.querySelector("[data-results-status]");
const TYPING_PAUSE = 250;

let request = new AbortController();
let pause;
// What the results answer to; a step through the history that only changes the #part needs no search.
let shown = location.search;

const address = () => {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = value.trim();
    if (text !== "" && !(name === "sort" && form.elements.sort.selectedIndex === 0)) query.set(name, text);
  }
  return query.size === 0 ? "/" : `/?${query}`;
};

const load = async (url) => {
  shown = new URL(url, location.href).search;
  request.abort();
  request = new AbortController();
  const { signal } = request;
  results.ariaBusy = "true";
  try {
    // The fragment has the page's own address, so it must not come from, or go into, the browser's cache.
    const response = await fetch(url, { headers: { "x-fragment": "results" }, cache: "no-store", signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const part = new DOMParser().parseFromString(await response.text(), "text/html");
    // A cache in between may answer with the whole page: the results are in it.
    const fresh = part.querySelector("[data-results]") ?? part.body;
    results.replaceChildren(...fresh.childNodes);
    announcement.textContent = results.querySelector("[data-results-heading]")?.textContent ?? "";
    results.ariaBusy = null;
  } catch {
    // A newer search took over, and it clears the mark; or this one failed, and the ordinary way may not.
    if (!signal.aborted) location.assign(url);
  }
};

// Typing changes the address it is at; a choice is a step that one can go back from.
const search = (step) => {
  clearTimeout(pause);
  const url = address();
  if (step) history.pushState(null, "", `${url}#gear`);
  else history.replaceState(null, "", `${url}#gear`);
  load(url);
};

const fillIn = (query) => {
  form.elements.q.value = query.get("q") ?? "";
  for (const choice of form.elements.category) choice.checked = choice.value === (query.get("category") ?? "");
  form.elements.in_stock.checked = query.get("in_stock") === "true";
  form.elements.sort.value = query.get("sort") ?? form.elements.sort.options[0].value;
};

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  search(true);
});

form?.addEventListener("input", (event) => {
  clearTimeout(pause);
  if (event.target === form.elements.q) pause = setTimeout(search, TYPING_PAUSE, false);
  else search(true);
});

results?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-search-clear]")) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  fillIn(new URLSearchParams());
  search(true);
  form.elements.q.focus({ preventScroll: true });
});

if (form) {
  addEventListener("popstate", () => {
    if (location.search === shown) return;
    fillIn(new URLSearchParams(location.search));
    load(`/${location.search}`);
  });
  // Back from a product: the browser fills the form in again, maybe with other words than the results have.
  addEventListener("pageshow", () => fillIn(new URLSearchParams(location.search)));
  // On the way to another page an unfinished search is nobody's concern.
  addEventListener("beforeunload", () => request.abort());
}
