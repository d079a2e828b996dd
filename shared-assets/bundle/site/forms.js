// A form is sent once: while it is on its way its button says so, and a second press does nothing.
// On the window, so that a script that answers a form in place has had its say.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if ("sent" in form.dataset) return void event.preventDefault();
  form.dataset.sent = "";
  event.submitter?.setAttribute("aria-disabled", "true");
});

addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

// After a form came back with errors, begin at the first one, or at what stopped the whole form.
const begin = () => {
  const first = document.querySelector('main [aria-invalid="true"]') ?? document.querySelector("main [data-form-error]");
  first?.focus();
};
document.addEventListener("shop:content", begin);
begin();
