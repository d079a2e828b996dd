// Quantities of the basket, in place: one change after the other, each answered with the whole basket.
const basket = () => document.querySelector("[data-basket]");
const basketUrl = basket()?.dataset.basket;

// The latest wish for each line that has not been sent yet.
const queue = new Map();
let running = false;
let leaving = false;

const send = async (action, body) => {
  const response = await fetch(action, { method: "POST", headers: { accept: "text/html" }, body });
  if (!response.ok && response.status !== 422) throw new Error(`status ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.querySelector("[data-basket]")) throw new Error("not a basket");
  return page;
};

const swap = (page) => {
  document.title = page.title;
  document.querySelector("#site-nav").replaceWith(page.querySelector("#site-nav"));
  basket().replaceWith(page.querySelector("[data-basket]"));
  document.dispatchEvent(new CustomEvent("shop:content"));
};

// The focus stays on the control that was used; if its line has gone, it goes to the basket's heading.
const heldFocus = () => {
  const active = document.activeElement;
  const line = active?.closest(".line")?.id;
  if (!line) return () => {};
  const selector = active.dataset.step ? `[data-step="${active.dataset.step}"]:enabled` : "input";
  return () => {
    const place = document.getElementById(line);
    const control = place?.querySelector(selector) ?? place?.querySelector("input");
    if (control) return control.focus();
    const heading = basket().querySelector("h1");
    heading.tabIndex = -1;
    heading.focus();
  };
};

const run = async () => {
  running = true;
  basket().ariaBusy = "true";
  try {
    let page;
    while (queue.size > 0) {
      const [action, body] = queue.entries().next().value;
      queue.delete(action);
      page = await send(action, body);
    }
    const restoreFocus = heldFocus();
    swap(page);
    restoreFocus();
  } catch {
    // The basket as the server has it, whatever became of the change. Never a reload, which might send a form again.
    if (!leaving) location.replace(basketUrl);
  }
  running = false;
};

const change = (form, submitter) => {
  queue.set(form.action, new URLSearchParams(new FormData(form, submitter)));
  if (!running) run();
};

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-line]")) return;
  event.preventDefault();
  change(event.target, event.submitter);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-line]");
  if (form && event.target.value !== "") change(form, null);
});

addEventListener("beforeunload", () => {
  leaving = true;
});
