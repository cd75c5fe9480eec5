// Search, theme, predictions. Without this script the book can be read all the same.
"use strict";

const stored = {
  get(name) { try { return localStorage.getItem(name) } catch { return null } },
  set(name, value) {
    try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value) } catch {}
  },
};

// ---- theme ----

const root = document.documentElement;
const button = document.getElementById("theme");
const THEMES = ["auto", "light", "dark"];

function showTheme() {
  button.querySelector("span").textContent = root.dataset.theme || "auto";
}

button.hidden = false;
button.addEventListener("click", () => {
  const at = THEMES.indexOf(root.dataset.theme || "auto");
  root.dataset.theme = THEMES[(at + 1) % THEMES.length];
  stored.set("minitornado-theme", root.dataset.theme);
  showTheme();
});
showTheme();

// ---- search: every word of the query must be there; the better the place, the earlier ----

const form = document.querySelector("form[role=search]");
const query = document.getElementById("query");
const results = document.getElementById("results");
const found = document.getElementById("found");
const MOST = 12;
let selected = -1;

function escaped(term) { return term.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&") }

function words(text) { return text.toLowerCase().split(/\s+/).filter(Boolean) }

function score(row, terms) {
  const [, title, kind, text] = row.map((it) => it.toLowerCase());
  let sum = 0;
  for (const term of terms) {
    const word = new RegExp("(^|[^\\p{L}\\p{N}])" + escaped(term), "u");
    if (title === term) sum += 60;
    if (word.test(title)) sum += 30;
    else if (title.includes(term)) sum += 15;
    else if (word.test(text)) sum += 6;
    else if (text.includes(term) || kind.includes(term)) sum += 2;
    else return 0;
  }
  return sum;
}

function marked(text, terms) {
  const part = document.createDocumentFragment();
  const pattern = terms.map(escaped).join("|");
  for (const piece of text.split(new RegExp(`(${pattern})`, "giu"))) {
    const hit = piece && terms.includes(piece.toLowerCase());
    const node = hit ? document.createElement("mark") : piece;
    if (hit) node.textContent = piece;
    part.append(node);
  }
  return part;
}

function snippet(text, terms) {
  const at = Math.min(...terms.map((term) => text.toLowerCase().indexOf(term)).filter((it) => it >= 0));
  const start = Number.isFinite(at) ? Math.max(0, at - 50) : 0;
  return (start ? "…" : "") + text.slice(start, start + 150) + (text.length > start + 150 ? "…" : "");
}

function option([link, title, kind, text], number, terms) {
  const node = document.createElement("a");
  node.href = link;
  node.id = "result-" + number;
  node.role = "option";
  node.tabIndex = -1;
  const strong = document.createElement("b");
  strong.append(marked(title, terms));
  const small = document.createElement("small");
  small.textContent = kind;
  const paragraph = document.createElement("p");
  paragraph.append(marked(snippet(text, terms), terms));
  node.append(strong, small, paragraph);
  return node;
}

function search() {
  const terms = words(query.value);
  const hits = terms.length ? window.BOOK.map((row, at) => [score(row, terms), at])
    .filter(([points]) => points).sort((one, other) => other[0] - one[0] || one[1] - other[1]) : [];
  results.replaceChildren(...hits.slice(0, MOST).map(([, at], number) => option(window.BOOK[at], number, terms)));
  open(hits.length > 0);
  select(hits.length ? 0 : -1);
  const more = hits.length > MOST ? `, the first ${MOST} shown` : "";
  found.textContent = terms.length ? `${hits.length} result${hits.length === 1 ? "" : "s"}${more}` : "";
  found.className = terms.length && !hits.length ? "none" : "unseen";
}

function open(yes) {
  results.hidden = !yes;
  query.setAttribute("aria-expanded", String(yes));
}

function select(number) {
  results.children[selected]?.setAttribute("aria-selected", "false");
  selected = number;
  const node = results.children[number];
  node?.setAttribute("aria-selected", "true");
  node?.scrollIntoView({ block: "nearest" });
  if (node) query.setAttribute("aria-activedescendant", node.id);
  else query.removeAttribute("aria-activedescendant");
}

form.hidden = false;
query.addEventListener("input", search);
query.addEventListener("focus", () => query.value && search());
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || open(false));
results.addEventListener("mousedown", (event) => event.preventDefault());  // the focus stays
results.addEventListener("click", () => open(false));
query.addEventListener("keydown", (event) => {
  const count = results.children.length;
  if (event.key === "Escape") { open(false); query.value = ""; search(); query.blur() }
  else if (event.key === "Enter" && !results.hidden) results.children[selected]?.click();
  else if (count && event.key === "ArrowDown") select((selected + 1) % count);
  else if (count && event.key === "ArrowUp") select((selected + count - 1) % count);
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  // In a text field a slash is a slash. (A stepper's fields are in a root of its own: event.target is not enough.)
  const typing = event.composedPath()[0].matches?.("input:not([type=radio]), textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  query.focus();
});

// ---- predictions: the answer is locked until the reader has chosen ----

function lock(prompt) {
  const id = prompt.id;
  const listed = prompt.nextElementSibling;
  const todo = listed?.nextElementSibling;
  const answer = todo?.nextElementSibling;
  if (answer?.tagName !== "DETAILS") return;
  const lines = listed.innerHTML.split(/<br\s*\/?>/).map((it) => it.trim());
  const right = /Right is ([a-z])\)/.exec(answer.textContent)?.[1];
  if (!right || lines.length < 2) return;
  const choices = document.createElement("fieldset");
  choices.className = "choices";
  const legend = document.createElement("legend");
  legend.className = "unseen";
  legend.textContent = `Your prediction, ${id}`;
  choices.append(legend);
  const status = document.createElement("p");
  status.className = "locked";
  status.setAttribute("role", "status");
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "Predict again";
  for (const line of lines) {
    const letter = line[0];
    const label = document.createElement("label");
    label.dataset.letter = letter;
    const input = Object.assign(document.createElement("input"), { type: "radio", name: id, value: letter });
    const text = document.createElement("span");
    text.innerHTML = line;
    label.append(input, text);
    choices.append(label);
    input.addEventListener("click", () => show(letter));
  }
  // By arrow keys a radio button is chosen as soon as it is reached; so there Enter decides.
  choices.addEventListener("keydown", (event) => {
    const inputs = [...choices.querySelectorAll("input:not(:disabled)")];
    const at = inputs.indexOf(event.target);
    if (at < 0) return;
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step) inputs[(at + step + inputs.length) % inputs.length].focus();
    else if (event.key === "Enter") event.target.click();
    else return;
    event.preventDefault();
  });
  listed.replaceWith(choices);
  todo.replaceWith(status);

  function show(letter) {
    stored.set(`minitornado-${id}`, letter);
    answer.hidden = !letter;
    answer.open = Boolean(letter);
    for (const label of choices.querySelectorAll("label")) {
      const mine = label.dataset.letter === letter;
      label.classList.toggle("chosen", mine);
      label.querySelector(".verdict")?.remove();
      const input = label.querySelector("input");
      input.checked = mine;
      input.disabled = Boolean(letter);
      const says = !letter ? "" : label.dataset.letter === right
        ? (mine ? "yours, and right" : "right") : mine ? "yours" : "";
      if (!says) continue;
      const verdict = Object.assign(document.createElement("span"), { className: "verdict", textContent: says });
      label.append(verdict);
    }
    for (const told of answer.querySelectorAll("p")) {
      told.classList.toggle("mine", letter !== null && told.textContent.startsWith(`${letter}) `));
    }
    status.textContent = !letter ? "Choose, and the answer opens."
      : letter === right ? "Well predicted. " : "Not so; below it says why. ";
    if (letter) status.append(again);
    for (const row of document.querySelectorAll("tr > th")) {
      const of = row.closest("table").previousElementSibling?.querySelector("strong")?.textContent;
      if (row.textContent !== "You predicted" || of !== id) continue;
      const chosen = choices.querySelector(`[data-letter="${letter}"] span`);
      row.nextElementSibling.textContent = chosen ? chosen.textContent : "nothing yet";
    }
  }
  again.addEventListener("click", () => { show(null); choices.querySelector("input").focus() });
  const kept = stored.get(`minitornado-${id}`);
  show(choices.querySelector(`[data-letter="${kept}"]`) ? kept : null);
}

document.querySelectorAll("p.prediction").forEach(lock);
// A locked answer takes less room than an open one: what was to be seen has moved.
document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
