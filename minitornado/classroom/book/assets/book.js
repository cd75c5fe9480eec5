// Search, theme, questions. Without this script the book can be read all the same.
"use strict";

const stored = {
  get(name) { try { return localStorage.getItem(name) } catch { return null } },
  set(name, value) {
    try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value) } catch {}
  },
};

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

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
    part.append(hit ? make("mark", { textContent: piece }) : piece);
  }
  return part;
}

function snippet(text, terms) {
  const at = Math.min(...terms.map((term) => text.toLowerCase().indexOf(term)).filter((it) => it >= 0));
  const start = Number.isFinite(at) ? Math.max(0, at - 50) : 0;
  return (start ? "…" : "") + text.slice(start, start + 150) + (text.length > start + 150 ? "…" : "");
}

function option([link, title, kind, text], number, terms) {
  return make("a", { href: link, id: "result-" + number, role: "option", tabIndex: -1 },
    make("b", {}, marked(title, terms)), make("small", { textContent: kind }),
    make("p", {}, marked(snippet(text, terms), terms)));
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

// ---- questions: the answer is locked until the reader has chosen ----

// What predict.py shows: the question, and each option with what is folded below it.
function lock(question) {
  const folded = [];
  for (let at = question.nextElementSibling; at?.tagName === "DETAILS"; at = at.nextElementSibling) folded.push(at);
  const id = question.id;
  const said = {};  // by letter
  for (const it of folded) said[it.querySelector("summary").textContent[0]] = it.querySelector("p");
  const right = Object.keys(said).find((letter) => said[letter].textContent.startsWith("Right."));
  const lines = folded.map((it) => it.querySelector("summary").innerHTML);
  const choices = choicesOf(id, lines, (letter) => choose(letter));
  const answer = make("div", { className: "answer" });
  const status = make("p", { className: "locked" });
  status.setAttribute("role", "status");
  const again = make("button", { type: "button", textContent: "Choose again" });
  const todo = folded[folded.length - 1].nextElementSibling;
  if (todo?.textContent.startsWith("Click on what you believe")) todo.remove();
  folded[0].before(choices, status, answer);
  folded.forEach((it) => it.remove());

  function choose(letter) {
    stored.set(`minitornado-${id}`, letter);
    const told = !letter ? [] : letter === right ? [said[right]] : [said[letter], said[right]];
    answer.replaceChildren(...told);
    answer.hidden = !letter;
    showVerdicts(choices, letter, right);
    showInCompare(id, choices.querySelector(`[data-letter="${letter}"] span`)?.innerHTML);
    status.textContent = letter ? "" : "Choose, and the answer opens.";
    if (letter) status.append(again);
  }

  again.addEventListener("click", () => { choose(null); choices.querySelector("input").focus() });
  const kept = stored.get(`minitornado-${id}`);
  choose(kept in said ? kept : null);
}

function choicesOf(id, lines, choose) {
  const legend = make("legend", { className: "unseen", textContent: `Your prediction, ${id}` });
  const choices = make("fieldset", { className: "choices" }, legend);
  for (const line of lines.map((it) => it.trim())) {
    const input = make("input", { type: "radio", name: id, value: line[0] });
    const label = make("label", {}, input, make("span", { innerHTML: line }));
    label.dataset.letter = line[0];
    choices.append(label);
    input.addEventListener("click", () => choose(line[0]));
  }
  // By arrow keys a radio button is chosen as soon as it is reached; here Enter or Space decides.
  choices.addEventListener("keydown", (event) => {
    const inputs = [...choices.querySelectorAll("input:not(:disabled)")];
    const at = inputs.indexOf(event.target);
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (at < 0 || !(step || event.key === "Enter")) return;
    event.preventDefault();
    if (step) inputs[(at + step + inputs.length) % inputs.length].focus();
    else event.target.click();
  });
  return choices;
}

function showVerdicts(choices, letter, right) {
  for (const label of choices.querySelectorAll("label")) {
    const mine = label.dataset.letter === letter;
    const input = label.querySelector("input");
    input.checked = mine;
    input.disabled = Boolean(letter);
    label.classList.toggle("chosen", mine);
    label.querySelector(".verdict")?.remove();
    const says = [mine && "yours", letter && label.dataset.letter === right && "right"];
    const textContent = says.filter(Boolean).join(", and ");
    if (textContent) label.append(make("span", { className: "verdict", textContent }));
  }
}

// What `compare` shows is folded; it opens for who has chosen, and says what that was.
function showInCompare(id, chosen) {
  for (const folded of document.querySelectorAll("p + details")) {
    const of = folded.previousElementSibling.querySelector("strong")?.textContent;
    const table = folded.querySelector("table");
    if (of !== id || !table) continue;
    table.querySelector("tr.mine")?.remove();
    if (chosen) {
      table.tBodies[0].prepend(make("tr", { className: "mine" },
        make("th", { scope: "row", textContent: "You predicted" }), make("td", { innerHTML: chosen })));
    }
    folded.open = Boolean(chosen);
    folded.hidden = !chosen;
    if (folded.nextElementSibling?.className !== "locked") {
      folded.after(make("p", { className: "locked", textContent: "Choose above, and this opens." }));
    }
    folded.nextElementSibling.hidden = Boolean(chosen);
  }
}

document.querySelectorAll("p.asked").forEach(lock);

// A locked answer takes less room than an open one: what was to be seen has moved.
document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
