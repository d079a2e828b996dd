// An order that is on its way: looks by itself whether it has arrived, less and less often, and only while somebody sees it.
const place = document.querySelector("[data-pending]")?.dataset.pending;

const LONGEST = 15000;
let wait = 1000;
let timer;

const look = async () => {
  try {
    const response = await fetch(place, { headers: { accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    // A new page, and not a part that is swapped: its title and heading are read out.
    if (response.ok && !page.querySelector("[data-pending]")) return location.replace(place);
  } catch {
    // Not reachable. The next look may be luckier.
  }
  wait = Math.min(wait * 1.5, LONGEST);
  plan();
};

const plan = () => {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, wait);
};

if (place) {
  plan();
  document.addEventListener("visibilitychange", () => {
    wait = 1000;
    plan();
  });
}
