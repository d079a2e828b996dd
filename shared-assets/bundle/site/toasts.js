// Short messages about what has just happened: `shop:toast` with { message, link?: { href, label } }.
const region = document.querySelector("[data-toasts]");
const SHOWN_FOR = 7000;

const closeButton = (toast) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "toast__close";
  button.setAttribute("aria-label", "Close this message");
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${region.dataset.icons}#close`);
  icon.append(use);
  button.append(icon);
  button.addEventListener("click", () => toast.remove());
  return button;
};

const show = ({ message, link }) => {
  const toast = document.createElement("div");
  toast.className = "toast";
  const text = document.createElement("span");
  text.textContent = message;
  toast.append(text);
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link.href;
    anchor.textContent = link.label;
    toast.append(anchor);
  }
  toast.append(closeButton(toast));
  region.replaceChildren(toast);

  // It stays while somebody is reading it with the pointer or the focus on it.
  const leave = () => {
    if (toast.matches(":hover, :focus-within")) setTimeout(leave, 1000);
    else toast.remove();
  };
  setTimeout(leave, SHOWN_FOR);
};

document.addEventListener("shop:toast", (event) => show(event.detail));
