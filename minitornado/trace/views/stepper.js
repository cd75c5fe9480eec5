for (const host of document.querySelectorAll(".mt-steps:not([data-live])")) {
  host.dataset.live = "yes";
  const steps = [...host.querySelectorAll("details")];
  if (!steps.length) continue;
  const root = host.attachShadow({mode: "open"});
  root.innerHTML = `<style>${host.dataset.css}</style>
<div class="box" tabindex="0" role="group"><nav>
<button data-key="p"><kbd>p</kbd>revious</button><button data-key="n"><kbd>n</kbd>ext</button>
<button data-key="b"><kbd>b</kbd>ecause</button><button data-key="a"><kbd>a</kbd>sked</button>
<input type="range" min="1" max="${steps.length}" aria-label="step">
<span class="where"></span></nav><div class="now" aria-live="polite"></div></div>`;
  const find = (selector) => root.querySelector(selector);
  const box = find(".box"), range = find("input");
  box.setAttribute("aria-label", host.getAttribute("aria-label"));
  let at = 1;
  const target = (key) => ({
    n: at + 1, p: at - 1, b: +steps[at - 1].dataset.because, a: +steps[at - 1].dataset.asked,
  })[key];
  const valid = (number) => number >= 1 && number <= steps.length;
  const show = (number) => {
    at = number;
    const step = steps[at - 1].cloneNode(true);
    step.open = true;
    const summary = step.querySelector("summary");
    const sentence = document.createElement("div");
    sentence.append(...summary.childNodes);
    sentence.style.fontWeight = "600";
    summary.remove();
    find(".now").replaceChildren(sentence, ...step.childNodes);
    find(".where").textContent = `${at} of ${steps.length}`;
    range.value = at;
    for (const button of root.querySelectorAll("button"))
      button.disabled = !valid(target(button.dataset.key));
  };
  const press = (key) => valid(target(key)) && show(target(key));
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) { press(button.dataset.key); box.focus(); }
  });
  range.addEventListener("input", () => show(+range.value));
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = event.target === range ? {} : {ArrowRight: "n", ArrowLeft: "p"};
    const key = arrows[event.key] || event.key;
    if (!"npba".includes(key) || key.length > 1) return;
    event.preventDefault();
    event.stopPropagation();
    press(key);
  });
  show(1);
}
