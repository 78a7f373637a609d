"use strict";
(() => {
  const layers = JSON.parse(document.getElementById("layers").textContent);
  const details = document.getElementById("details");
  const search = document.getElementById("search");
  const matches = document.getElementById("matches");
  if (!search) return;
  const panes = [...document.querySelectorAll(".pane")].map((figure, index) => new Pane(figure, index));
  let active = panes.length - 1;
  let opener = null;

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function Pane(figure, index) {
    const canvas = figure.querySelector(".canvas");
    const svg = figure.querySelector("svg");
    const scene = svg.querySelector(".scene");
    const size = { width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height };
    const boxes = [...svg.querySelectorAll(".box")];
    const changes = boxes.filter((box) => /\b(added|removed|changed|renamed|rewired|unfrozen)\b/.test(box.getAttribute("class")));
    let view = { x: 0, y: 0, scale: 1 };
    let walked = 0;
    let change = -1;
    svg.removeAttribute("viewBox");

    const draw = () => scene.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
    const room = () => ({ width: canvas.clientWidth || 400, height: canvas.clientHeight || 400 });
    const place = (box) => {
      const [x, y] = box.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
      return { x: x + 16 + box.getBBox().width / 2, y: y + 16 + box.getBBox().height / 2 };
    };
    const center = (box, scale) => {
      const { x, y } = place(box);
      view = { scale, x: room().width / 2 - x * scale, y: room().height / 2 - y * scale };
      draw();
    };
    const fit = () => {
      const scale = Math.min(room().width / size.width, room().height / size.height, 1.2);
      view = { scale, x: (room().width - size.width * scale) / 2, y: (room().height - size.height * scale) / 2 };
      draw();
    };
    const zoom = (by, x = room().width / 2, y = room().height / 2) => {
      const scale = Math.min(4, Math.max(0.02, view.scale * by));
      const real = scale / view.scale;
      view = { scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
      draw();
    };
    const next = (step = 1) => {
      if (!changes.length) return;
      change = (change + step + changes.length) % changes.length;
      walked = boxes.indexOf(changes[change]);
      center(changes[change], Math.max(0.9, view.scale));
      changes[change].focus({ preventScroll: true });
    };
    const walk = (step) => {
      walked = Math.min(boxes.length - 1, Math.max(0, walked + step));
      center(boxes[walked], Math.max(0.7, view.scale));
      boxes[walked].focus({ preventScroll: true });
    };
    const show = (number) => {
      active = index;
      walked = number;
      center(boxes[number], Math.max(0.9, view.scale));
      boxes[number].focus({ preventScroll: true });
      open(index, number, boxes[number]);
    };
    const start = () => {
      const scale = Math.min(1, room().width / size.width);
      if (size.height * scale <= room().height || scale < 0.35) fit();
      else if (changes.length) center(changes[0], scale);
      else { view = { scale, x: (room().width - size.width * scale) / 2, y: 8 }; draw(); }
    };

    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      active = index;
      drag = { x: event.clientX, y: event.clientY, from: { ...view }, moved: false };
    });
    window.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.moved = drag.moved || Math.hypot(dx, dy) > 4;
      if (drag.moved) { view = { ...drag.from, x: drag.from.x + dx, y: drag.from.y + dy }; draw(); }
    });
    window.addEventListener("pointerup", () => setTimeout(() => { drag = null; }));
    canvas.addEventListener("click", (event) => {
      const box = event.target.closest(".box");
      if (box && !(drag && drag.moved)) { walked = boxes.indexOf(box); open(index, walked, box); }
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) {
        const frame = canvas.getBoundingClientRect();
        zoom(Math.exp(-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
      } else { view.x -= event.deltaX; view.y -= event.deltaY; draw(); }
    }, { passive: false });
    canvas.addEventListener("focusin", () => { active = index; });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e6, End: 1e6 }[event.key];
      if (step) { event.preventDefault(); walk(step); }
      else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(walked); }
      else if (event.key === "+" || event.key === "=") zoom(1.25);
      else if (event.key === "-") zoom(0.8);
      else if (event.key === "0") fit();
    });
    figure.querySelector("[data-do=in]").addEventListener("click", () => zoom(1.25));
    figure.querySelector("[data-do=out]").addEventListener("click", () => zoom(0.8));
    figure.querySelector("[data-do=fit]").addEventListener("click", fit);
    const further = figure.querySelector("[data-do=next]");
    further.hidden = !changes.length;
    further.addEventListener("click", () => next());
    window.addEventListener("beforeprint", () => { svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`); scene.removeAttribute("transform"); });
    window.addEventListener("afterprint", () => { svg.removeAttribute("viewBox"); draw(); });
    start();
    return { show, next, boxes };
  }

  function open(pane, number, box) {
    const layer = layers[pane][number];
    document.querySelectorAll(".is-open").forEach((other) => other.classList.remove("is-open"));
    box.classList.add("is-open");
    opener = box;
    const close = element("button", "×", "close");
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", shut);
    details.replaceChildren(close, element("h3", layer.path), element("div", layer.class_name, "lead"));
    if (layer.kind) details.append(element("span", layer.kind, `key badge ${layer.kind}`));
    for (const part of layer.parts) {
      details.append(element("h4", part.title));
      const table = element("table");
      for (const row of part.rows) {
        const line = element("tr");
        for (const cell of row) line.append(element("td", cell));
        table.append(line);
      }
      details.append(table);
    }
    details.hidden = false;
    details.scrollTop = 0;
  }

  function shut() {
    details.hidden = true;
    document.querySelectorAll(".is-open").forEach((other) => other.classList.remove("is-open"));
    if (opener) opener.focus({ preventScroll: true });
  }

  let chosen = 0;
  let found = [];
  function look() {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    if (words.length) {
      for (const pane of [active, ...panes.keys()].filter((one, place, all) => all.indexOf(one) === place)) {
        layers[pane].forEach((layer, number) => {
          const text = `${layer.path} ${layer.class_name} ${layer.kind}`.toLowerCase();
          if (words.every((word) => text.includes(word)) && !found.some((other) => layers[other.pane][other.number].path === layer.path)) {
            found.push({ pane, number, exact: layer.path.toLowerCase() === words[0] });
          }
        });
      }
      found.sort((one, other) => other.exact - one.exact);
    }
    chosen = 0;
    list();
  }

  function list() {
    const shown = found.slice(0, 40);
    matches.replaceChildren(...shown.map((match, place) => {
      const layer = layers[match.pane][match.number];
      const item = element("li", layer.path);
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(place === chosen));
      item.append(element("small", [layer.class_name, layer.kind].filter(Boolean).join(", ")));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(place); });
      return item;
    }));
    if (search.value.trim() && !shown.length) matches.append(element("li", "no layer has this name"));
    matches.hidden = !search.value.trim();
    search.setAttribute("aria-expanded", String(!matches.hidden));
    if (matches.children[chosen]) matches.children[chosen].scrollIntoView({ block: "nearest" });
  }

  function take(place) {
    const match = found[place];
    if (!match) return;
    matches.hidden = true;
    search.setAttribute("aria-expanded", "false");
    panes[match.pane].show(match.number);
  }

  search.addEventListener("input", look);
  search.addEventListener("blur", () => { matches.hidden = true; });
  search.addEventListener("focus", () => { if (search.value.trim()) look(); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen = Math.max(0, Math.min(Math.min(found.length, 40) - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
      list();
    } else if (event.key === "Enter") take(chosen);
    else if (event.key === "Escape") { search.value = ""; look(); search.blur(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "Escape" && !details.hidden) shut();
    else if (event.key === "n" || event.key === "N") panes[active].next(event.key === "n" ? 1 : -1);
  });
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.dataset.was = one.open ? "1" : ""; one.open = true; }));
  window.addEventListener("afterprint", () => document.querySelectorAll("details").forEach((one) => { one.open = one.dataset.was === "1"; }));
})();
