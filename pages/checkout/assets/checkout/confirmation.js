// An order that is written down but not yet confirmed: looks again until it is.
const state = () => document.querySelector("[data-order-state]");
const EVERY = 2000;

const look = async () => {
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-order-state]");
    if (response.ok && fresh && fresh.dataset.orderState !== "pending") {
      document.title = page.title;
      document.querySelector("#site-nav").replaceWith(page.querySelector("#site-nav"));
      state().replaceWith(fresh);
      const heading = fresh.querySelector("h1");
      heading.tabIndex = -1;
      heading.focus();
      return;
    }
  } catch {
    // Not reachable now; the next look may be luckier.
  }
  setTimeout(look, EVERY);
};

if (state()?.dataset.orderState === "pending") setTimeout(look, EVERY);
