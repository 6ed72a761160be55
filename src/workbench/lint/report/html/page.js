"use strict";
// In long lines, what is marked may stand beyond the edge.
for (const mark of document.querySelectorAll("pre.excerpt mark:first-of-type")) {
  const box = mark.closest("pre");
  const start = mark.getBoundingClientRect().left - box.getBoundingClientRect().left;
  if (start > box.clientWidth * 0.7) box.scrollLeft = start - box.clientWidth / 3;
}
(() => {
  const form = document.querySelector("form.filters");
  if (!form) return;
  const apply = () => {
    const severities = new Set([...form.querySelectorAll("input:checked")].map((input) => input.value));
    const rule = form.elements.rule.value;
    let shown = 0;
    for (const file of document.querySelectorAll("section.file")) {
      let shownOfFile = 0;
      for (const article of file.querySelectorAll("article")) {
        const passes = severities.has(article.dataset.severity) && (rule === "" || article.dataset.rule === rule);
        article.hidden = !passes;
        shownOfFile += passes ? 1 : 0;
      }
      file.hidden = shownOfFile === 0;
      shown += shownOfFile;
    }
    document.querySelector("p.none").hidden = shown > 0;
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  // Browsers restore what was chosen before a reload.
  apply();
})();
