// The basket's count in the header. Any script of any page says `shop:basket` with the new count.
const show = (count) => {
  for (const badge of document.querySelectorAll("[data-basket-count]")) {
    badge.textContent = String(count);
    badge.hidden = count === 0;
  }
};

document.addEventListener("shop:basket", (event) => show(event.detail.count));
