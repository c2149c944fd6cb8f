// Pictures answer a pointer: every series at its x, the nearest marker, or a hint. The legend hides a series by a click.
const tip = document.body.appendChild(Object.assign(document.createElement("div"), { id: "tip", hidden: true }));
const shown = (value) => String(Number(value.toPrecision(4)));
const at = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());

// What a place on an axis means: its ends in the picture, their values, and its scale.
const valueAt = (place, [from, to, low, high, scale]) => {
  const share = (place - from) / (to - from);
  return scale === "log" ? low * (high / low) ** share : low + share * (high - low);
};
const vertices = (group) => {
  const numbers = (group.querySelector(":scope > path")?.getAttribute("d") ?? "").match(/-?[\d.]+(e-?\d+)?/g) ?? [];
  return Array.from({ length: numbers.length >> 1 }, (_, n) => [Number(numbers[2 * n]), Number(numbers[2 * n + 1])]);
};
const heightAt = (line, x) => {
  const next = line.findIndex((vertex) => vertex[0] > x);
  if (next === 0 || (next < 0 && line.at(-1)?.[0] !== x)) return null;
  if (next < 0) return line.at(-1)[1];
  const [[x0, y0], [x1, y1]] = [line[next - 1], line[next]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
};

const say = (rows, event) => {
  tip.replaceChildren(...rows.map(([text, value, colour]) => {
    const row = document.createElement("div");
    if (colour) row.append(Object.assign(document.createElement("i"), { style: `width: .8rem; border-top: 3px solid ${colour}` }));
    row.append(text);
    if (value) row.append(Object.assign(document.createElement("b"), { textContent: value }));
    return row;
  }));
  tip.hidden = false;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6);
  const below = event.clientY + 16 + tip.offsetHeight < innerHeight;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${below ? event.clientY + 16 : Math.max(event.clientY - 12 - tip.offsetHeight, 4)}px`;
};

for (const svg of document.querySelectorAll("figure svg[data-axes]")) {
  const [frame] = JSON.parse(svg.dataset.axes);
  const lines = [...svg.querySelectorAll("[data-series]")].map((group) => {
    const [name, part] = JSON.parse(group.dataset.series), path = group.querySelector(":scope > path");
    return { group, name, part, line: vertices(group), colour: path && getComputedStyle(path).stroke };
  });
  const markers = [...svg.querySelectorAll("[data-points]")].flatMap((group) => {
    const labels = JSON.parse(group.dataset.points);
    return [...group.querySelectorAll("use")].map((use, n) => [use.x.baseVal.value, use.y.baseVal.value, labels[n]]);
  });
  const rule = lines.length ? svg.appendChild(document.createElementNS(svg.namespaceURI, "line")) : null;
  rule?.setAttribute("stroke", "#667084");
  const away = () => { tip.hidden = true; rule?.setAttribute("visibility", "hidden"); };
  const look = (event) => {
    away();
    const told = event.target.closest("[data-hint]");
    if (told) return say([[JSON.parse(told.dataset.hint)]], event);
    const { x, y } = at(svg, event);
    const distance = ([mx, my]) => Math.hypot(mx - x, my - y);
    const nearest = markers.reduce((best, marker) => (best && distance(best) <= distance(marker) ? best : marker), null);
    if (nearest && distance(nearest) < 15) {
      return say(markers.filter((m) => Math.hypot(m[0] - nearest[0], m[1] - nearest[1]) < 1).slice(0, 12).map((m) => [m[2]]), event);
    }
    if (!rule || x < frame.x[0] || x > frame.x[1] || y > frame.y[0] || y < frame.y[1]) return;
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: frame.y[0], y2: frame.y[1], visibility: "visible" })) {
      rule.setAttribute(name, value);
    }
    const rows = lines.filter((each) => each.group.style.display !== "none").flatMap(({ name, part, line, colour }) => {
      const height = heightAt(line, x);
      return height === null ? [] : [[part ? `${name}, ${part}` : name, shown(valueAt(height, frame.y)), colour]];
    });
    say([[frame.labels[0], shown(valueAt(x, frame.x))], ...rows], event);
  };
  for (const kind of ["pointermove", "pointerdown"]) svg.addEventListener(kind, look);
  svg.addEventListener("pointerleave", away);
  for (const button of svg.closest("figure").querySelectorAll(".legend button")) {
    const mine = (each) => each.name === button.dataset.name;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const each of lines.filter(mine)) each.group.style.display = on ? "" : "none";
    });
    for (const [kind, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) {
      button.addEventListener(kind, () => lines.forEach((each) => each.group.classList.toggle("faded", on && !mine(each))));
    }
  }
}
