const $ = (id) => document.getElementById(id);
const requests = new Map();  // name -> its summary, in the order in which they came
const waits = new Map();     // click -> when its client sent it and was done, or how long it waited
const me = Math.random().toString(36).slice(2, 8);
let page = document.body.dataset.self, clicks = 0, toCome = 0, chosen = "", started = "", source, drawing;

// ---- what the server tells ----

const state = (text, bad) => { $("state").textContent = text; $("state").className = bad ? "bad" : ""; };

function connect() {
  if (source) source.close();
  requests.clear();
  source = new EventSource("/trace/events" + ($("own").checked ? "?own=1" : ""));
  const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("hello", (hello) => {
    const again = started && started !== hello.started;
    if (again) { waits.clear(); chosen = page = ""; $("detail").hidden = true; }
    // What this server still knows follows; what it has forgotten is not to stay.
    requests.clear();
    started = hello.started;
    toCome = hello.known;
    state(again ? "The server was started again: its trace begins anew." : "Watching.");
    draw();
  });
  on("request", (request) => {
    const isNew = !requests.has(request.name) && --toCome < 0;
    requests.set(request.name, request);
    const second = request.click && request.click.endsWith("b");
    if (request.name === page && !chosen) choose(page);
    else if (isNew && $("follow").checked && !second && !request.watching) choose(request.name);
    else if (request.name === chosen) fetchDetail();
    else if (toCome === 0 && !chosen) choose(request.name);
    draw();
  });
  on("client", ([click, sent, done]) => {
    waits.set(click, {sent, done});
    if (click.startsWith(me)) said(`The ${click.endsWith("a") ? "first" : "second"} request was answered after ${ms(done - sent)}.`);
    draw();
  });
  on("skipped", (count) => state(`This window was too slow, so ${count} messages were skipped.`, true));
  on("bye", () => state("The server was stopped. Trying to reach it again …", true));
  source.onerror = () => {
    if (!$("state").textContent.startsWith("The server was stopped"))
      state("The server can't be reached. Trying again …", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

// ---- sending ----

const said = (text) => { $("said").textContent = text; };

async function ask(click, target, options = {}) {
  const begun = performance.now();
  try {
    const answer = await fetch(target, {...options, cache: "no-store", headers: {"X-Click": click}});
    await answer.arrayBuffer();
    const wait = performance.now() - begun;
    waits.set(click, {wait});
    said(`${target}: ${answer.status} ${answer.statusText} after ${ms(wait)}.`);
  } catch { said(`${target}: no answer.`); }
  draw();
}

async function client(click, what) {
  const options = {method: "POST", headers: {"X-Click": click}};
  try {
    const answer = await fetch(`/trace/client?do=${what}`, options);
    said(answer.ok ? "A client in the server's process has begun." : await answer.text());
  } catch { said("The server can't be reached."); }
}

const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function both(click, target) {
  said(`${target}: waiting for the answer …`);
  const first = ask(click + "a", target);
  await later(200);
  await Promise.all([first, ask(click + "b", "/hello")]);
}

const actions = {
  get: (click) => ask(click, "/hello"),
  post: (click) => ask(click, "/echo", {method: "POST", body: "a body of 23 bytes here"}),
  pipelined: (click) => client(click, "pipelined"),
  "slow-reader": (click) => client(click, "slow-reader"),
  wait: (click) => both(click, "/slow?seconds=1"),
  block: (click) => both(click, "/block?seconds=1"),
};

for (const button of document.querySelectorAll("[data-do]"))
  button.addEventListener("click", () => {
    $("follow").checked = true;
    actions[button.dataset.do](`${me}-${++clicks}`);
  });

// ---- the list ----

const ms = (value) => `${value.toLocaleString("en", {maximumFractionDigits: value < 10 ? 1 : 0})} ms`;
const cell = (text, name, tag = "td") => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
};
const clientOf = (request) => (request.click && waits.get(request.click)) || {};
const waited = (request) => { const {wait, sent, done} = clientOf(request); return wait ?? done - sent; };
const now = () => Math.max(...[...requests.values()].map((one) => one.ended ?? one.stretches.at(-1)?.[1] ?? 0));
// From when the client sent it, as far as we know, to when it was done.  What this browser has
// sent is short: it was done when the server was.
const begin = (one) => Math.min(one.came, clientOf(one).sent ?? (one.ended - waited(one) || Infinity));
const finish = (one) => Math.max(one.ended ?? now(), clientOf(one).done ?? 0);

const inOrder = () => [...requests.values()].sort((one, other) => other.came - one.came);

// The requests that lie near the chosen one in time, each no further than this from another.
const NEAR = 300;
function neighbours() {
  const around = new Set([requests.get(chosen)].filter(Boolean));
  for (const one of around)
    for (const other of requests.values())
      if (!other.watching && begin(other) < finish(one) + NEAR && finish(other) > begin(one) - NEAR)
        around.add(other);
  return around;
}

function bars(one, from, to) {
  const at = (time) => (1000 * (time - from)) / (to - from);
  const line = (a, b, name) => a < b ? `<line x1="${at(a)}" x2="${at(b)}" y1="8" y2="8" class="${name}"/>` : "";
  const ended = one.ended ?? now();
  const runs = one.stretches.map(([a, b]) =>
    `<rect x="${at(a)}" width="${Math.max(3, at(b) - at(a))}" y="1" height="14" class="runs"/>`);
  return `<svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">`
    + line(begin(one), one.came, "away") + line(one.came, ended, "here") + line(ended, finish(one), "away") + runs.join("") + "</svg>";
}

function draw() {
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; drawList(); drawEffects(); });
}

function drawList() {
  const around = neighbours();
  const from = Math.min(...[...around].map(begin)), to = Math.max(...[...around].map(finish), from + 1);
  const focused = $("rows").contains(document.activeElement);
  $("axis").replaceChildren(cell("0", "", "span"), cell("when", "", "span"), cell(around.size ? ms(to - from) : "", "", "span"));
  const all = inOrder();
  $("rows").replaceChildren(...all.map((one) => {
    const row = document.createElement("tr"), name = cell("", "", "th"), button = cell(one.name, "", "button");
    const here = one.name === chosen, when = cell("", "when"), wait = waited(one);
    row.className = here ? "chosen" : "";
    row.dataset.name = button.dataset.name = one.name;
    name.scope = "row";
    button.tabIndex = here || (!requests.has(chosen) && one === all[0]) ? 0 : -1;
    if (here) button.setAttribute("aria-current", "true");
    name.append(button);
    if (around.has(one)) when.innerHTML = bars(one, from, to);
    const answer = {answered: one.status, lost: "the client left", refused: one.status || "refused",
                    running: one.status ? `${one.status} …` : "running …"}[one.state];
    row.append(name, cell(one.line + (one.name === page ? "  (this page)" : ""), "request"), cell(answer),
      cell(one.turns, "number"), cell(ms(one.ran), "number"),
      cell(wait >= 0 ? ms(wait) : "", "number"), when);
    return row;
  }));
  if (focused) $("rows").querySelector('[tabindex="0"]')?.focus();
}

$("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) { pick(row.dataset.name); $("rows").querySelector('[tabindex="0"]').focus(); }
});
$("rows").addEventListener("keydown", (event) => {
  const names = inOrder().map((one) => one.name), at = names.indexOf(chosen);
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: names.length - 1}[event.key];
  if (event.key === "Enter" && event.target.dataset.name === chosen) stepper()?.focus();
  else if (names[to]) pick(names[to]);
  else if (to === undefined) return;
  event.preventDefault();
});

function pick(name) {
  $("follow").checked = false;
  choose(name);
  drawing = cancelAnimationFrame(drawing);
  drawList();
  drawEffects();
}

// ---- what it did to others, and they to it ----

const LONG = 50;  // milliseconds of waiting that are worth a word
const overlap = ([a, b], [c, d]) => Math.min(b, d) - Math.max(a, c);
const titled = (one) => `${one.line} (${one.name})`;

function effects(one) {
  const others = [...requests.values()].filter((other) => other !== one && !other.watching), told = [];
  const life = [begin(one), one.ended ?? now()];
  const blocks = (other) => other.held && other.held[1] - other.held[0] >= LONG;
  if (blocks(one)) {
    told.push(`It held the loop for ${ms(one.held[1] - one.held[0])} without a break: nobody else was served.`);
    for (const other of others) {
      const lost = overlap(one.held, [begin(other), other.came]);
      if (lost >= LONG) told.push(`${titled(other)} had to wait for ${ms(lost)} of that.`);
    }
  }
  for (const other of others.filter(blocks)) {
    const lost = overlap(other.held, life);
    if (lost >= LONG && !blocks(one)) told.push(`It waited ${ms(lost)} while the loop ran ${titled(other)}.`);
  }
  if (one.pipelined)
    told.push("Its bytes came before the request before it was answered. Answers keep the order of requests, so it had to wait.");
  const took = one.ended - one.came;
  if (took >= LONG && !blocks(one) && !one.pipelined && one.ran < took / 2) {
    const count = others.filter((other) => other.ended > one.came && other.ended < one.ended).length;
    told.push(`From its first byte to its end ${ms(took)} went by; the loop ran for it ${ms(one.ran)} of them. `
      + (count === 1 ? "One other request was answered meanwhile." : count ? `${count} other requests were answered meanwhile.` : "Others could have been served meanwhile."));
  }
  return told;
}

function drawEffects() {
  const one = requests.get(chosen);
  if (!one) return;
  const told = effects(one).join("\n");
  if ($("effects").innerText !== told) $("effects").replaceChildren(...told.split("\n").filter(Boolean).map((text) => cell(text, "", "li")));
}

// ---- the chosen one: lanes and steps ----

let fetching = "", again = false, detail;

function choose(name) {
  if (name === chosen) return;
  chosen = name;
  detail = undefined;
  fetchDetail();
}

async function fetchDetail() {
  if (fetching) { again = true; return; }
  const name = fetching = chosen;
  again = false;
  try {
    const answer = await fetch(`/trace/request?of=${name}${$("own").checked ? "&own=1" : ""}`);
    if (name === chosen) answer.ok ? show(await answer.json()) : gone(await answer.text());
  } catch { /* the state line says that the server can't be reached */ }
  fetching = "";
  if (again || name !== chosen) { await later(100); fetchDetail(); }
}

const player = () => $("steps").firstElementChild?.shadowRoot;
const stepper = () => player()?.querySelector(".box");
const at = () => player() ? +player().querySelector("input").value : 1;

function step(number) {
  const range = player()?.querySelector("input");
  if (!range || number < 1) return;
  range.value = number;
  range.dispatchEvent(new Event("input"));
}

function gone(text) {
  $("detail").hidden = false;
  $("chosen").textContent = chosen;
  $("effects").replaceChildren(cell(text, "", "li"));
  $("steps").replaceChildren();
  $("lanes").replaceChildren();
}

function show(drawn) {
  const before = detail ? at() : 1, focused = player()?.activeElement;
  detail = drawn;
  $("detail").hidden = false;
  $("chosen").textContent = `${drawn.request.name} ${drawn.request.line}`;
  $("left-out").hidden = !drawn.left_out;
  $("left-out").textContent = `It took many turns of the loop. ${drawn.left_out} in the middle are left out below.`;
  $("lanes").innerHTML = drawn.svg;
  $("steps").innerHTML = drawn.steps;
  makeSteppers();
  if (!player()) return;
  step(before);
  new MutationObserver(mark).observe(player().querySelector(".where"), {childList: true});
  mark();
  if (focused) stepper().focus();
}

function mark() {
  const svg = $("lanes").querySelector("svg"), row = detail.rows[at() - 1];
  svg.querySelector(".here-now")?.remove();
  if (row === null || row === undefined) return;
  const box = document.createElementNS(svg.namespaceURI, "rect"), y = detail.top + detail.row * row;
  const places = {class: "here-now", x: 2, width: svg.viewBox.baseVal.width - 4, y, height: detail.row, rx: 4};
  for (const [name, value] of Object.entries(places)) box.setAttribute(name, value);
  svg.append(box);
  const scale = svg.clientWidth / svg.viewBox.baseVal.width, lanes = $("lanes");
  const top = y * scale - lanes.scrollTop;
  if (top < 0 || top > lanes.clientHeight - 60) lanes.scrollTop = y * scale - lanes.clientHeight / 2;
}

$("lanes").addEventListener("click", (event) => {
  const svg = $("lanes").querySelector("svg");
  const y = (event.clientY - svg.getBoundingClientRect().top) * svg.viewBox.baseVal.width / svg.clientWidth;
  step(detail.rows.indexOf(Math.floor((y - detail.top) / detail.row)) + 1);
});
$("steps").addEventListener("keydown", (event) => {
  if (event.key === "Escape") $("rows").querySelector('[tabindex="0"]')?.focus();
});
$("own").addEventListener("change", () => { detail = undefined; connect(); if (chosen) fetchDetail(); });

connect();
