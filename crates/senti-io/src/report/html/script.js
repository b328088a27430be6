// Pointing at a chart: the nearest place tells its date, values and units. Arrow keys do the same. Nothing is fetched.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);

  const make = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  const place = (left, top) => {
    const box = tip.getBoundingClientRect();
    const fit = (at, size, room) => {
      const after = at + 14;
      return Math.max(4, after + size + 4 > room ? at - 14 - size : after);
    };
    tip.style.left = fit(left, box.width, document.documentElement.clientWidth) + "px";
    tip.style.top = fit(top, box.height, document.documentElement.clientHeight) + "px";
  };

  for (const svg of document.querySelectorAll("figure svg[role=img]")) {
    const hits = [...svg.querySelectorAll(".hit")];
    if (hits.length === 0) continue;
    // The text moves from the browser's own tooltip to ours.
    const texts = hits.map((hit) => {
      const title = hit.querySelector("title");
      const text = title.textContent;
      title.remove();
      return text;
    });
    const cursor = make("g", { class: "cursor" });
    svg.append(cursor);
    let shown = -1;

    const show = (index, left, top) => {
      const hit = hits[index];
      if (index !== shown) {
        shown = index;
        const [head, ...rest] = texts[index].split("\n");
        tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: head }));
        for (const line of rest) tip.append(Object.assign(document.createElement("div"), { textContent: line }));
        const x = hit.dataset.x;
        const y = Number(hit.getAttribute("y"));
        cursor.replaceChildren();
        // A row of bars beside each other has no line down; a bar that lies is its own cursor.
        if (!hit.dataset.flat) {
          cursor.append(make("line", { x1: x, x2: x, y1: y, y2: y + Number(hit.getAttribute("height")) }));
        }
        for (const dot of hit.dataset.dots.split(" ").filter(Boolean)) {
          const [cy, name] = dot.split(",");
          cursor.append(make("circle", { cx: x, cy, r: 4.5, class: "fill-" + name }));
        }
      }
      tip.hidden = false;
      place(left, top);
    };
    const hide = () => {
      shown = -1;
      cursor.replaceChildren();
      tip.hidden = true;
    };

    const follow = (event) => {
      const index = hits.indexOf(event.target);
      if (index >= 0) show(index, event.clientX, event.clientY);
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const to = {
        ArrowRight: shown + 1,
        ArrowDown: shown + 1,
        ArrowLeft: shown < 0 ? hits.length - 1 : shown - 1,
        ArrowUp: shown < 0 ? hits.length - 1 : shown - 1,
        Home: 0,
        End: hits.length - 1,
      }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      const index = Math.min(Math.max(to, 0), hits.length - 1);
      const box = hits[index].getBoundingClientRect();
      show(index, box.right, box.top + box.height / 3);
    });
  }

  // On paper nobody can open what is folded; lists of numbers stay folded, they would fill pages.
  const folded = () => document.querySelectorAll("details.horizon:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...folded()];
    for (const details of opened) details.open = true;
    tip.hidden = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
})();
