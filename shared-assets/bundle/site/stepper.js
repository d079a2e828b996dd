// Minus and plus beside a number field. They come with the script, since without it they would do nothing.
const button = (input, step, label) => {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "stepper__button";
  element.dataset.step = String(step);
  element.textContent = step < 0 ? "−" : "+";
  element.setAttribute("aria-label", `${label}: ${input.labels[0].textContent}`);
  return element;
};

const limit = (stepper) => {
  const input = stepper.querySelector("input");
  for (const element of stepper.querySelectorAll("[data-step]")) {
    const step = Number(element.dataset.step);
    // Without a maximum the server knows what there is.
    const max = input.max === "" ? Infinity : Number(input.max);
    const room = step < 0 ? input.valueAsNumber - Number(input.min) : max - input.valueAsNumber;
    // A disabled button drops the focus; the field beside it takes it.
    if (room <= 0 && element === document.activeElement) input.focus();
    element.disabled = room <= 0;
  }
};

const enhance = () => {
  for (const stepper of document.querySelectorAll("[data-stepper]:not(:has([data-step]))")) {
    const input = stepper.querySelector("input");
    stepper.prepend(button(input, -1, "One less"));
    stepper.append(button(input, 1, "One more"));
    limit(stepper);
  }
};

document.addEventListener("click", (event) => {
  const element = event.target.closest("[data-step]");
  if (!element) return;
  const input = element.parentElement.querySelector("input");
  if (Number(element.dataset.step) < 0) input.stepDown();
  else input.stepUp();
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

document.addEventListener("input", (event) => {
  const stepper = event.target.closest("[data-stepper]");
  if (stepper) limit(stepper);
});

// Who swaps a part of the page says so, and what is new in it gets its buttons.
document.addEventListener("shop:content", enhance);
enhance();
