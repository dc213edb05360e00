// The discovery curve: what was found, against what exists at least and what is estimated, with its interval; below
// it what one request brought. Hand-made SVG; nodes are made once and then only moved.

import { el, setAttr, setText, svg } from "./dom.js";
import { count, duration, money, rate, short } from "./format.js";

const HEIGHT = 262;
const STRIP = 54;
const GAP = 38;
const LEFT = 46;
const RIGHT = 14;
const TOP = 28;
const BUCKETS = 48;
const FAR = 3; // times what was found

const AXES = {
  requests: { at: 2, label: "Requests →", text: short },
  time: { at: 0, label: "Time worked →", text: duration },
  cost: { at: 3, label: "Spent, $ →", text: money },
};

export class Discovery {
  constructor(host) {
    this.host = host;
    this.axis = "requests";
    this.points = [];
    this.coverage = {};
    this.cursor = null;
    this.#build();
    new ResizeObserver(() => this.draw()).observe(host);
    host.addEventListener("pointermove", (event) => this.#point(event.clientX));
    host.addEventListener("pointerdown", (event) => this.#point(event.clientX));
    host.addEventListener("pointerleave", () => this.#leave());
    host.addEventListener("blur", () => this.#leave());
    host.addEventListener("keydown", (event) => this.#key(event));
  }

  #build() {
    const line = (name) => svg("line", { class: name });
    this.band = svg("rect", { class: "band" });
    this.bandTop = line("band-edge");
    this.bandFoot = line("band-edge");
    this.estimate = line("estimate");
    this.atLeast = line("at-least");
    this.area = svg("path", { class: "area" });
    this.curve = svg("path", { class: "curve" });
    this.now = svg("circle", { class: "now", r: 4 });
    this.rule = line("rule");
    this.spot = svg("circle", { class: "spot", r: 4 });
    this.grid = svg("g", { class: "grid" });
    this.ticks = svg("g", { class: "ticks" });
    this.labels = svg("g", { class: "labels" });
    this.bars = svg("path", { class: "bars" });
    this.upTitle = svg("text", { class: "axis-title", x: 0, y: 11 }, "Attributes found");
    this.alongTitle = svg("text", { class: "axis-title", y: HEIGHT + GAP + 2, "text-anchor": "end" });
    this.barsTitle = svg("text", { class: "axis-title", x: LEFT });
    this.barsTop = svg("text", { class: "strip-top", "text-anchor": "end" });
    this.barsLine = line("strip-line");
    this.root = svg(
      "svg",
      { "aria-hidden": "true", height: HEIGHT + GAP + STRIP + 6 },
      this.grid, this.band, this.bandTop, this.bandFoot, this.estimate, this.atLeast, this.area, this.curve, this.now,
      this.ticks, this.labels, this.upTitle, this.alongTitle, this.barsLine, this.bars, this.barsTitle, this.barsTop, this.rule, this.spot,
    );
    this.tip = el("div", { class: "tip", hidden: true });
    this.none = el("p", { class: "chart-empty" }, "The curve begins with the first answer.");
    this.host.append(this.root, this.tip, this.none);
  }

  // `series` [[elapsed_s, unique, requests, cost]]; `live` is the same for this moment.
  update(series, live, coverage) {
    const points = series.filter((point) => Array.isArray(point) && point.every(Number.isFinite));
    const last = points[points.length - 1];
    if (live && (!last || live[0] >= last[0])) points.push(live);
    this.points = points;
    this.coverage = coverage ?? {};
    this.draw();
  }

  setAxis(axis) {
    this.axis = axis;
    this.cursor = null;
    this.draw();
  }

  draw() {
    const width = this.host.clientWidth;
    const some = this.points.length > 1 && this.points[this.points.length - 1][1] > 0;
    this.none.hidden = some;
    this.root.style.visibility = some ? "visible" : "hidden";
    if (!some || width < 80) return;
    setAttr(this.root, "width", width);
    this.width = width;
    this.#scale();
    this.#drawGrid();
    this.#drawCoverage();
    this.#drawCurve();
    this.#drawStrip();
    this.#drawCursor();
    setAttr(this.host, "aria-label", this.#sentence());
  }

  #scale() {
    const { at } = AXES[this.axis];
    const { at_least: least, estimated_total: total, high } = this.coverage;
    const found = this.points[this.points.length - 1][1];
    const reach = Math.max(found, least || 0, total || 0);
    // What is far above the curve runs out of the picture rather than flatten it; its label then points up.
    const seen = Math.min(reach, found * FAR);
    const interval = high && high <= seen * 1.7 ? high : 0;
    const top = Math.max(seen * 1.1, interval * 1.02);
    this.step = niceStep(top / 4);
    this.top = Math.ceil(top / this.step - 0.35) * this.step;
    if (this.top < Math.max(seen * 1.04, interval)) this.top += this.step;
    this.right = Math.max(this.points[this.points.length - 1][at], 1e-9);
    this.x = (value) => LEFT + (value / this.right) * (this.width - LEFT - RIGHT);
    this.y = (value) => TOP + (1 - Math.min(value, this.top) / this.top) * (HEIGHT - TOP);
  }

  #drawGrid() {
    const parts = [];
    const texts = [];
    for (let value = 0; value <= this.top + 1e-9; value += this.step) {
      const y = Math.round(this.y(value)) + 0.5;
      parts.push(svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y, class: value === 0 ? "base" : null }));
      texts.push(svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, short(value)));
    }
    const { text } = AXES[this.axis];
    const step = this.axis === "time" ? timeStep(this.right / 4) : niceStep(this.right / (this.width > 520 ? 5 : 3));
    for (let value = 0; value <= this.right; value += step) {
      const x = this.x(value);
      const anchor = value === 0 ? "start" : x > this.width - 40 ? "end" : "middle";
      texts.push(svg("text", { x, y: HEIGHT + 18, "text-anchor": anchor }, value === 0 ? "0" : text(round(value))));
    }
    this.grid.replaceChildren(...parts);
    this.ticks.replaceChildren(...texts);
    setAttr(this.alongTitle, "x", this.width - RIGHT);
    setText(this.alongTitle, AXES[this.axis].label);
  }

  #drawCoverage() {
    const { at_least: least, estimated_total: total, low, high } = this.coverage;
    const [from, to] = [LEFT, this.width - RIGHT];
    const level = (node, value) => {
      const drawn = value && value <= this.top;
      node.style.display = drawn ? "" : "none";
      if (!drawn) return;
      const y = this.y(value);
      for (const [name, at] of [["x1", from], ["x2", to], ["y1", y], ["y2", y]]) setAttr(node, name, at);
    };
    const interval = Boolean(total && low && high && low < this.top);
    this.band.style.display = interval ? "" : "none";
    if (interval) {
      setAttr(this.band, "x", from);
      setAttr(this.band, "width", to - from);
      setAttr(this.band, "y", this.y(high));
      setAttr(this.band, "height", Math.max(1, this.y(low) - this.y(high)));
    }
    level(this.bandTop, interval && high);
    level(this.bandFoot, interval && low);
    level(this.estimate, total);
    level(this.atLeast, least);
    const labels = [];
    const label = (value, words, kind, more = "") => {
      const above = value > this.top;
      labels.push({ y: above ? TOP + 14 : this.y(value) - 6, text: `${words} ${count(value)}${more}${above ? " ↑" : ""}`, kind, above });
    };
    if (total) label(total, "estimated", "estimate-label", low && high ? ` (${count(low)} – ${count(high)})` : "");
    if (least) label(least, "at least", "least-label");
    if (labels.length === 2 && labels[1].y - labels[0].y < 16) labels[1].y = labels[0].above ? labels[0].y + 17 : this.y(least) + 15;
    this.labels.replaceChildren(
      ...labels.map(({ y, text, kind }) => svg("text", { x: from + 8, y, class: kind }, text)),
    );
  }

  #drawCurve() {
    const { at } = AXES[this.axis];
    const line = this.points.map((point) => `${fixed(this.x(point[at]))},${fixed(this.y(point[1]))}`).join("L");
    const last = this.points[this.points.length - 1];
    setAttr(this.curve, "d", `M${line}`);
    setAttr(this.area, "d", `M${line}L${fixed(this.x(last[at]))},${HEIGHT}L${fixed(this.x(this.points[0][at]))},${HEIGHT}Z`);
    setAttr(this.now, "cx", this.x(last[at]));
    setAttr(this.now, "cy", this.y(last[1]));
  }

  #drawStrip() {
    const yields = this.#yields();
    const highest = Math.max(...yields, 1e-9);
    const base = HEIGHT + GAP + STRIP;
    const wide = (this.width - LEFT - RIGHT) / yields.length;
    const bars = yields.map((value, i) => {
      const height = (value / highest) * (STRIP - 14);
      return `M${fixed(LEFT + i * wide + 0.75)},${base}v${fixed(-height)}h${fixed(Math.max(1, wide - 1.5))}v${fixed(height)}Z`;
    });
    setAttr(this.bars, "d", bars.join(""));
    for (const [name, value] of [["x1", LEFT], ["x2", this.width - RIGHT], ["y1", base + 0.5], ["y2", base + 0.5]]) {
      setAttr(this.barsLine, name, value);
    }
    setAttr(this.barsTitle, "y", HEIGHT + GAP + 2);
    setText(this.barsTitle, "New per request");
    setAttr(this.barsTop, "x", LEFT - 8);
    setAttr(this.barsTop, "y", base - (STRIP - 14) + 5);
    setText(this.barsTop, rate(highest));
  }

  // New attributes per request in equal steps of the axis.
  #yields() {
    const { at } = AXES[this.axis];
    const buckets = Math.min(BUCKETS, Math.max(6, Math.floor(this.points.length / 2)));
    const values = [];
    let i = 0;
    let [found, asked] = [0, 0];
    for (let b = 1; b <= buckets; b += 1) {
      const end = (this.right * b) / buckets;
      while (i + 2 < this.points.length && this.points[i + 1][at] < end) i += 1;
      const [from, to] = [this.points[i], this.points[i + 1]];
      const part = to[at] > from[at] ? Math.min(1, Math.max(0, (end - from[at]) / (to[at] - from[at]))) : 1;
      const foundHere = from[1] + part * (to[1] - from[1]);
      const askedHere = from[2] + part * (to[2] - from[2]);
      values.push(askedHere > asked ? Math.max(0, (foundHere - found) / (askedHere - asked)) : 0);
      [found, asked] = [foundHere, askedHere];
    }
    return values;
  }

  #point(clientX) {
    if (!this.x || this.points.length < 2) return;
    const { at } = AXES[this.axis];
    const x = clientX - this.host.getBoundingClientRect().left;
    let best = 0;
    for (let i = 1; i < this.points.length; i += 1) {
      if (Math.abs(this.x(this.points[i][at]) - x) < Math.abs(this.x(this.points[best][at]) - x)) best = i;
    }
    this.cursor = best;
    this.#drawCursor();
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
    if (!step || this.points.length < 2) return;
    event.preventDefault();
    const last = this.points.length - 1;
    this.cursor = Math.max(0, Math.min(last, (this.cursor ?? last) + step * Math.ceil(last / 60)));
    this.#drawCursor();
  }

  #leave() {
    this.cursor = null;
    this.#drawCursor();
  }

  #drawCursor() {
    const point = this.cursor === null ? null : this.points[this.cursor];
    for (const node of [this.rule, this.spot]) node.style.display = point ? "" : "none";
    this.tip.hidden = !point;
    if (!point) return;
    const x = this.x(point[AXES[this.axis].at]);
    const y = this.y(point[1]);
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", TOP], ["y2", HEIGHT]]) setAttr(this.rule, name, value);
    setAttr(this.spot, "cx", x);
    setAttr(this.spot, "cy", y);
    this.tip.replaceChildren(
      el("b", {}, `${count(point[1])} found`),
      el("span", {}, `${count(point[2])} requests · ${money(point[3])} · ${duration(point[0])}`),
    );
    const beside = x > this.width / 2 ? x - this.tip.offsetWidth - 12 : x + 12;
    this.tip.style.transform = `translate(${Math.round(Math.max(0, beside))}px, ${Math.round(Math.max(TOP, y - 52))}px)`;
  }

  #sentence() {
    const last = this.points[this.points.length - 1];
    const { at_least: least, estimated_total: total, low, high } = this.coverage;
    const parts = [`${count(last[1])} found after ${count(last[2])} requests`];
    if (least) parts.push(`at least ${count(least)} exist`);
    if (total) parts.push(`estimated ${count(total)}${low && high ? `, between ${count(low)} and ${count(high)}` : ""}`);
    return `Discovery curve: ${parts.join("; ")}. Arrow keys read it point by point.`;
  }
}

const fixed = (value) => value.toFixed(1);
const round = (value) => Number(value.toPrecision(6));

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  return power * ([1, 2, 2.5, 5, 10].find((m) => m * power >= rough) ?? 10);
}

function timeStep(rough) {
  return [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].find((s) => s >= rough) ?? 172800;
}
