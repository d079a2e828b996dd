// A cacheable page is rendered for anybody; here it learns who is looking at it. Any script of the page says
// `shop:visitor` when it can't know what the basket holds by now. Without an answer it stays the page for anybody.
const source = document.body.dataset.visitor;

const greet = (name) => {
  for (const link of document.querySelectorAll("[data-visitor-link]")) {
    const { label } = link.dataset;
    link.querySelector("[data-visitor-name]").textContent = name ?? label;
    if (name) link.setAttribute("aria-label", `${label}, signed in as ${name}`);
    else link.removeAttribute("aria-label");
  }
};

const ask = async () => {
  try {
    const response = await fetch(source, { headers: { accept: "application/json" } });
    if (!response.ok) return;
    // What is unknown stays as it is: better an old count than a wrong one.
    const { name, basket, unknown = [] } = await response.json();
    if (!unknown.includes("name")) greet(name);
    if (!unknown.includes("basket")) document.dispatchEvent(new CustomEvent("shop:basket", { detail: { count: basket } }));
  } catch {
    // Offline, or on the way to another page.
  }
};

if (source) {
  ask();
  document.addEventListener("shop:visitor", ask);
  // Back from the basket, with this page out of the back/forward cache: the count is an old one.
  addEventListener("pageshow", (event) => {
    if (event.persisted) ask();
  });
}
