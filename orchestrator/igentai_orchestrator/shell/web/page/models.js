// One row a model: its share with a slider, what it brings by the minute and by the dollar, how it is.

import * as api from "./api.js";
import { byId, el, keyed, setAttr, setText, show } from "./dom.js";
import { count, latency, money, percent, plural, rate } from "./format.js";

const STATES = {
  ok: "ok",
  waiting: "waits",
  open: "paused after faults",
  "half-open": "being tried again",
  out: "out",
};

export class Models {
  constructor({ picked }) {
    this.picked = picked;
    this.host = byId("models");
    this.touched = new Map(); // key -> when its slider was last in someone's hand
  }

  // `rows`: the models of the daemon; `numbers`: by key, those of the topic shown; `live` where it is running.
  update(rows, numbers, live) {
    const keys = [...new Set([...(live ? rows.map((row) => row.key) : []), ...Object.keys(numbers)])];
    const all = keys.map((key) => ({ key, ...numbers[key], ...(live ? rows.find((row) => row.key === key) : {}) }));
    const most = (name) => Math.max(...all.map((row) => row[name] ?? 0), 1e-9);
    const peaks = { minute: most("unique_per_minute"), dollar: most("unique_per_dollar") };
    if (!all.length) {
      this.host.replaceChildren(el("p", { class: "hint", "data-key": "-" }, "No model has been asked so far."));
      return;
    }
    this.host.querySelector("p[data-key='-']")?.remove();
    keyed(this.host, [{ key: "head" }, ...all], (row) => row.key, (row) => (row.key === "head" ? head() : this.#make(row)), (node, row) => {
      if (row.key !== "head") this.#draw(node, row, peaks, live);
    });
  }

  #make({ key }) {
    const id = `share-${CSS.escape(key)}`;
    const slider = el("input", { type: "range", min: 0, max: 100, step: 1, id, "aria-label": `Share of ${key}` });
    slider.addEventListener("input", () => {
      this.touched.set(key, Date.now());
      setText(slider.parentElement.querySelector("output"), `${slider.value} %`);
      slider.style.setProperty("--at", `${slider.value}%`);
    });
    slider.addEventListener("change", () => this.#set(key, Number(slider.value) / 100));
    return el(
      "div",
      { class: "model" },
      el("div", { class: "who" },
        el("button", { type: "button", class: "text", title: `${key}: show what it found first`, "aria-label": key, onclick: () => this.picked(key) }, nameOf(key)),
        el("span", { class: "state" })),
      el("div", { class: "share" }, slider, el("output", { for: id }),
        el("button", { type: "button", class: "auto", onclick: () => this.#set(key, null) }, "auto")),
      meter("minute", "new / min"),
      meter("dollar", "new / $"),
      el("div", { class: "small found" }, el("b"), el("span", {}, "found")),
      el("div", { class: "small repeats" }, el("b"), el("span", {}, "repeats")),
      el("div", { class: "small latency" }, el("b"), el("span", {}, "latency")),
    );
  }

  #draw(node, row, peaks, live) {
    const state = row.state ?? "ok";
    const mark = node.querySelector(".state");
    setAttr(mark, "data-state", live ? state : "ok");
    const failed = row.failed ? `${row.failed === row.requests ? "all" : count(row.failed)} failed` : "";
    const parts = [row.key.split(":")[0], plural(row.requests ?? 0, "request"), failed, money(row.cost_usd ?? 0)];
    const worked = parts.filter(Boolean).map((part) => part.replaceAll(" ", "\u00a0")).join("\u00a0· "); // breaks between them
    setText(mark, live && (state !== "ok" || row.detail) ? row.detail || STATES[state] || state : worked);
    this.#drawShare(node, row, live);
    this.#meter(node, "minute", row.unique_per_minute, peaks.minute);
    this.#meter(node, "dollar", row.unique_per_dollar, peaks.dollar, row.cost_usd === 0 && row.unique_attributes > 0);
    setText(node.querySelector(".found b"), count(row.unique_attributes ?? 0));
    setText(node.querySelector(".repeats b"), percent(row.repeats_share));
    setText(node.querySelector(".latency b"), latency(row.latency_ms));
    setAttr(node.querySelector(".latency"), "title", row.latency_p95_ms ? `95 of 100 answers within ${latency(row.latency_p95_ms)}` : null);
  }

  #drawShare(node, row, live) {
    const slider = node.querySelector("input");
    const set = row.set_weight !== null && row.set_weight !== undefined;
    slider.disabled = !live;
    show(node.querySelector(".auto"), live && set);
    node.classList.toggle("set", live && set);
    const recently = Date.now() - (this.touched.get(row.key) ?? 0) < 2500;
    if (recently || slider.matches(":active")) return;
    const share = Math.round((set && live ? row.set_weight : (row.weight ?? 0)) * 100);
    if (slider.value !== String(share)) slider.value = share;
    slider.style.setProperty("--at", `${share}%`);
    setAttr(slider, "aria-valuetext", `${share} %`);
    setText(node.querySelector("output"), `${share} %`);
  }

  #meter(node, name, value, peak, free = false) {
    const place = node.querySelector(`.${name}`);
    place.querySelector("i").style.transform = `scaleX(${free ? 0 : Math.min(1, (value ?? 0) / peak)})`;
    setText(place.querySelector("b"), free ? "free" : rate(value));
  }

  async #set(key, share) {
    this.touched.set(key, share === null ? 0 : Date.now());
    try {
      await api.setWeights({ [key]: share });
      setText(byId("models-fault"), "");
    } catch (fault) {
      this.touched.delete(key);
      setText(byId("models-fault"), fault.message);
    }
  }
}

// The model without its provider: what tells it from the others must not be what is cut off.
const nameOf = (key) => key.slice(key.indexOf(":") + 1) || key;

function head() {
  const names = ["Model", "Share of requests", "New per minute", "New per dollar", "Found", "Repeats", "Latency"];
  return el("div", { class: "model model-head", "aria-hidden": "true" }, ...names.map((name) => el("span", {}, name)));
}

function meter(name, label) {
  return el("div", { class: `meter ${name}` }, el("b"), el("span", { class: "unit" }, label), el("div", { class: "track" }, el("i")));
}
