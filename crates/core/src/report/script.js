"use strict";
// Only what paper cannot do: filter, search, theme. Everything is there without it.
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = document.querySelector("#theme");
const shown = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
const label = () => { theme.textContent = shown() === "dark" ? "Light" : "Dark"; };
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = shown() === "dark" ? "light" : "dark";
  label();
});
dark.addEventListener("change", label);
label();
theme.hidden = false;

const tools = document.querySelector("#tools");
if (tools) {
  const find = tools.querySelector("#find");
  const found = tools.querySelector("#found");
  let texts;
  const read = () => all(".check").map((check) => ({
    check,
    head: check.querySelector("summary").textContent.toLowerCase(),
    groups: all(".group[data-v]", check).map((group) => ({
      group,
      bodies: all("tbody", group).map((body) => {
        const [head, ...rows] = all("tr", body);
        return { body, place: head.textContent.toLowerCase(), rows: rows.map((row) => [row, row.textContent.toLowerCase()]) };
      }),
    })),
  }));
  const filter = () => {
    texts = texts || read();
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(all("input[name=v]:checked", tools).map((box) => box.value));
    const narrowed = words.length > 0;
    let count = 0;
    for (const { check, head, groups } of texts) {
      let here = 0;
      for (const { group, bodies } of groups) {
        let inside = 0;
        for (const { body, place, rows } of bodies) {
          let left = 0;
          for (const [row, text] of rows) {
            const hit = words.every((word) => text.includes(word) || place.includes(word) || head.includes(word));
            row.hidden = !hit;
            left += hit ? 1 : 0;
          }
          body.hidden = left === 0;
          inside += left;
        }
        group.hidden = inside === 0 || !verdicts.has(group.dataset.v);
        here += group.hidden ? 0 : inside;
        if (narrowed && !group.hidden) group.open = true;
      }
      check.hidden = here === 0 && (narrowed || verdicts.size < 5);
      if (narrowed && here > 0) check.open = true;
      count += here;
    }
    found.value = narrowed || verdicts.size < 5 ? `${count} shown` : "";
  };
  let waiting;
  all("input", tools).forEach((input) => input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  }));
  tools.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  tools.hidden = false;
}
const every = document.querySelector("#every");
if (every) {
  every.addEventListener("click", () => {
    const open = every.getAttribute("aria-pressed") !== "true";
    all(".check").forEach((check) => { check.open = open; });
    every.setAttribute("aria-pressed", open);
    every.textContent = open ? "Fold every check" : "Unfold every check";
  });
}
// A link to a check is a wish to read it.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => all("details:not([open])").forEach((it) => { it.open = true; it.dataset.closed = ""; }));
addEventListener("afterprint", () => all("details[data-closed]").forEach((it) => { it.open = false; delete it.dataset.closed; }));
document.body.dataset.ready = "yes";
