// Adds to the basket without leaving the product; on any surprise the form is sent the ordinary way.
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
    form.submit();
  }
  form.ariaBusy = null;
  button.removeAttribute("aria-disabled");
});
