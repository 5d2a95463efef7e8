"use strict";
(() => {
  const PAGE = 25;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const learners = all("details.learner");
  const text = one("#find"), outcome = one("#outcome"), count = one("#count"), back = one("#back"), on = one("#on");
  const chosen = one("#chosen"), name = one("#chosen-name");
  let step = "", page = 0;

  const fits = (learner) =>
    text.value.toLowerCase().split(/\s+/).every((word) => learner.dataset.find.includes(word)) &&
    (!outcome.value || learner.dataset.outcome === outcome.value) &&
    (!step || learner.dataset.steps.split(" ").includes(step));

  const show = () => {
    const found = learners.filter(fits);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const shown = new Set(found.slice(page * PAGE, (page + 1) * PAGE));
    for (const learner of learners) learner.hidden = !shown.has(learner);
    const first = found.length ? page * PAGE + 1 : 0;
    count.textContent = `${first} to ${Math.min((page + 1) * PAGE, found.length)} of ${found.length}`;
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
  };
  const again = () => { page = 0; show(); };

  const choose = (box) => {
    step = box && step !== box.dataset.box ? box.dataset.box : "";
    for (const other of all(".box.can-filter")) other.classList.toggle("is-chosen", step !== "" && other.dataset.box === step);
    chosen.hidden = !step;
    if (step) { name.textContent = box.dataset.title; one("#learners").scrollIntoView(); }
    again();
  };

  for (const box of all(".box.can-filter")) {
    box.addEventListener("click", () => choose(box));
    box.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(box); } });
  }
  one("#clear").addEventListener("click", () => choose(null));
  text.addEventListener("input", again);
  outcome.addEventListener("change", again);
  back.addEventListener("click", () => { page -= 1; show(); });
  on.addEventListener("click", () => { page += 1; show(); });
  const flow = one(".flow"), entry = one(".box.entry");
  if (flow && entry && flow.scrollWidth > flow.clientWidth) {
    const at = entry.getBoundingClientRect();
    flow.scrollLeft = at.left + at.width / 2 - flow.clientWidth / 2;
  }
  one(".controls").hidden = false;
  show();
})();
