// Adds to the basket without leaving the product. The form is never sent again by itself: without an answer nobody
// knows whether it was added, and twice would be once too often.
const form = document.querySelector("[data-add-to-basket]");

const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

const basketLink = () => {
  const link = document.querySelector("[data-basket-count]")?.closest("a");
  return link && { href: link.getAttribute("href"), label: "Go to the basket" };
};

const complain = (message) => {
  const input = form.elements.quantity;
  const line = form.querySelector("[data-quantity-error]");
  line.querySelector("span").textContent = message;
  line.hidden = message === "";
  if (message === "") input.removeAttribute("aria-invalid");
  else {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
};

const add = async () => {
  const response = await fetch(form.action, {
    method: "POST",
    headers: { accept: "application/json", "x-fragment": "basket" },
    body: new URLSearchParams(new FormData(form)),
  });
  // Refused before anything was done, as when the product has gone: the page says why.
  if (response.status >= 400 && response.status < 500 && response.status !== 422) return form.submit();
  if (!response.ok && response.status !== 422) throw new Error(`status ${response.status}`);
  const answer = await response.json();
  if (response.ok) {
    complain("");
    say("shop:basket", { count: answer.basket });
    say("shop:toast", { message: answer.message, link: basketLink() });
  } else {
    complain(answer.message);
  }
};

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.ariaBusy === "true") return;
  const button = form.querySelector('[type="submit"]');
  form.ariaBusy = "true";
  button.setAttribute("aria-disabled", "true");
  try {
    await add();
  } catch {
    say("shop:toast", { message: "We can’t tell whether that was added. Please look into your basket.", link: basketLink() });
    say("shop:visitor");
  }
  form.ariaBusy = null;
  button.removeAttribute("aria-disabled");
});
