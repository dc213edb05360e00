// Wires the page: one state, fed by the link, drawn by the parts.

import * as api from "./api.js";
import { AttributeList } from "./attributes.js";
import { Discovery } from "./chart.js";
import { byId, el, keyed, setAttr, setText, show, toast } from "./dom.js";
import { count, moment } from "./format.js";
import { Link } from "./link.js";
import { Models } from "./models.js";
import { Partitions } from "./partitions.js";
import { Producers } from "./producers.js";
import { Start } from "./start.js";
import { drawNumbers, drawTitle, resetRates } from "./summary.js";
import { drawTopics } from "./topics.js";

const state = {
  link: "connecting",
  heardAt: null,
  version: null,
  status: null,
  topics: [],
  providers: [],
  shown: null, // id of the topic in view
  run: null, // id and start of it: another start is another list
  numbers: {},
  series: [],
};

const partitions = new Partitions({ picked: (id) => filterBy({ partition: id }) });
const list = new AttributeList({ labelOf: (id) => partitions.labelOf(id), filtersChanged: () => {} });
const models = new Models({ picked: (key) => filterBy({ provider: key }) });
const producers = new Producers();
const discovery = new Discovery(byId("discovery"));
const link = new Link({
  heard,
  changed: linkChanged,
  holding: () => ({ watch: state.shown, after: list.held }),
});
new Start({
  busy: () => state.status?.topic ?? null,
  known: () => (state.providers ?? []).map((model) => model.key),
  started: (topic) => {
    location.hash = encodeURIComponent(topic.id);
    choose(topic.id);
  },
});

function filterBy(change) {
  list.filter(change);
  byId("attributes").scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// --- what the daemon says

function heard(message) {
  state.heardAt = Date.now();
  if (message.type === "snapshot") heardSnapshot(message);
  else if (message.type === "attributes" && message.topic === state.shown) list.add(message.rows);
}

function heardSnapshot(message) {
  for (const part of ["status", "topics", "providers"]) if (part in message) state[part] = message[part] ?? state[part];
  if (state.status && state.version === null) state.version = state.status.version;
  // A page of another version may not understand this daemon.
  if (state.status && state.version !== state.status.version && !byId("start").open) location.reload();
  choose(wanted());
  if (message.topic === state.shown) {
    if (message.numbers) state.numbers = message.numbers;
    if ("series" in message) state.series = message.series ?? [];
    if ("partitions" in message) partitions.update(message.partitions);
    if (message.numbers?.near_duplicates) list.merged(message.numbers.near_duplicates.latest ?? []);
    list.grow(Math.min(current().unique_attributes ?? 0, runs() ? list.held : Infinity));
  }
  draw();
}

// The topic of the address; else the one that runs; else the one in view; else the newest.
function wanted() {
  const named = decodeHash();
  if (named && (named === state.shown || state.topics.some((row) => row.id === named))) return named;
  const running = state.status?.topic?.id ?? (typeof state.status?.topic === "string" ? state.status.topic : null);
  if (running) return running;
  if (state.shown && state.topics.some((row) => row.id === state.shown)) return state.shown;
  return newest()?.id ?? null;
}

// The list of topics comes less often than the numbers of the one in view; a topic that was cut off may have no numbers.
const current = () => ({
  unique_attributes: state.numbers.unique_attributes ?? row().unique_attributes,
  cost_usd: state.numbers.cost_usd ?? row().cost_usd,
});
const newest = () => [...state.topics].sort((a, b) => String(b.updated ?? "").localeCompare(String(a.updated ?? "")))[0];
const row = () => state.topics.find((topic) => topic.id === state.shown) ?? { id: state.shown };
const runs = () => (state.status?.topic?.id ?? state.status?.topic) === state.shown && state.shown !== null;

function decodeHash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function choose(id) {
  const run = id === null ? null : `${id} ${state.topics.find((topic) => topic.id === id)?.started ?? ""}`;
  if (id === state.shown && (run === state.run || !state.topics.length)) return;
  const same = id === state.shown;
  state.shown = id;
  state.run = run;
  if (!same) {
    state.numbers = {};
    state.series = [];
    partitions.update(null);
    resetRates();
  }
  reopen();
  draw();
}

function reopen() {
  list.open(state.shown);
  link.say();
}

function linkChanged(now) {
  if (now === state.link) return;
  state.link = now;
  setAttr(document.body, "data-link", now);
  const words = { connecting: "connecting", open: "live", lost: "reconnecting", locked: "signed out" };
  setText(byId("link-text"), words[now]);
  drawAlerts();
}

// --- drawing

function draw() {
  if (!state.status) return;
  const empty = state.shown === null;
  setAttr(document.body, "data-state", empty ? "empty" : "topic");
  show(byId("skeleton"), false);
  show(byId("empty"), empty);
  show(byId("view"), !empty);
  setText(byId("version"), state.status.version ? `v${state.status.version}` : "");
  drawTopics(state.topics.map((topic) => (topic.id === state.shown ? { ...topic, ...current() } : topic)), state.shown);
  drawAlerts();
  document.title = empty ? "igentai" : `${count(state.numbers.unique_attributes ?? 0)} · ${row().topic ?? state.shown} · igentai`;
  if (empty) drawAsked();
  else drawTopic();
}

// Whom a topic that names no models would ask.
function drawAsked() {
  const keys = (state.providers ?? []).map((model) => model.key);
  const alone = keys.length === 1 && keys[0].startsWith("embedded:");
  const words = alone
    ? "No key is set: a model server on this machine is asked if there is one, else the small embedded model. That one invents."
    : keys.length ? `Asks ${keys.slice(0, 4).join(", ")}${keys.length > 4 ? ` and ${keys.length - 4} more` : ""}.` : "";
  setText(byId("quick-asked"), words);
}

function drawTopic() {
  const numbers = { ...state.numbers, ...current() };
  drawTitle(row(), numbers);
  drawNumbers(numbers);
  const requests = (numbers.requests?.ok ?? 0) + (numbers.requests?.failed ?? 0);
  const live = runs() && numbers.elapsed_s ? [numbers.elapsed_s, numbers.unique_attributes ?? 0, requests, numbers.cost_usd ?? 0] : null;
  // How much there is of what is made up says nothing.
  const coverage = { ...numbers.coverage, ...(numbers.embedded && { at_least: null, estimated_total: null }) };
  discovery.update(state.series, live, coverage);
  drawLegend(coverage);
  models.update(state.providers ?? [], numbers.providers ?? {}, runs());
  show(byId("producers-card"), runs());
  producers.update(runs() ? numbers.producers ?? state.status.producers ?? [] : []);
  for (const anchor of byId("export").querySelectorAll("a")) setAttr(anchor, "href", api.exportPath(state.shown, anchor.dataset.format));
}

function drawLegend(coverage) {
  show(byId("key-estimate"), Boolean(coverage.estimated_total));
  show(byId("key-least"), Boolean(coverage.at_least));
  const known = state.numbers.unique_attributes ? coverage.good_turing : null;
  setText(byId("discovery-note"), typeof known === "number" ? `Of what models name next, about ${Math.round(known * 100)} % is known already. That is not how complete the list is: rare items are named rarely.` : "");
}

function drawAlerts() {
  const rows = [];
  if (state.link === "locked") rows.push({ level: "error", text: "This browser is no longer signed in. Open the address that the daemon prints when it starts." });
  else if (state.link === "lost" && state.heardAt) rows.push({ level: "warning", text: `No connection to the daemon; what you see is from ${moment(state.heardAt / 1000)}. Trying again by itself.` });
  else if (state.link === "lost") rows.push({ level: "warning", text: "The daemon does not answer. Trying again by itself." });
  const storage = state.status?.storage;
  if (storage && storage.ok === false) rows.push({ level: "error", text: storage.detail || "Results cannot be written." });
  rows.push(...(state.status?.alerts ?? []), ...(state.shown ? state.numbers.alerts ?? [] : []));
  const said = new Map(rows.map((alert) => [alert.text, alert]));
  keyed(byId("alerts"), [...said.values()], (alert) => alert.text, (alert) => el("p", {}, alert.text), (node, alert) => setAttr(node, "data-level", alert.level));
}

// The list reaches from where its card begins to the foot of the window, wherever the page is scrolled.
const beside = matchMedia("(min-width: 901px)");
let fitting = 0;
function fit() {
  if (fitting) return;
  fitting = requestAnimationFrame(() => {
    fitting = 0;
    const card = byId("attributes");
    const top = Math.max(16, card.parentElement.getBoundingClientRect().top);
    card.style.height = beside.matches ? `${Math.max(420, innerHeight - top - 16)}px` : "";
  });
}
addEventListener("scroll", fit, { passive: true });
addEventListener("resize", fit);
new ResizeObserver(fit).observe(byId("main"));

// --- what people do

async function act(button, what, done) {
  button.disabled = true;
  try {
    await what();
    toast(done);
  } catch (fault) {
    toast(fault.message);
  }
  button.disabled = false;
}

byId("stop").addEventListener("click", (event) => act(event.currentTarget, () => api.stopTopic(state.shown), "Stopping. All that was found is kept; it can be resumed."));
byId("resume").addEventListener("click", (event) => act(event.currentTarget, () => api.resumeTopic(state.shown), "Resumed."));
for (const button of document.querySelectorAll("[data-axis]")) {
  button.addEventListener("click", () => {
    discovery.setAxis(button.dataset.axis);
    for (const other of document.querySelectorAll("[data-axis]")) setAttr(other, "aria-pressed", String(other === button));
  });
}
byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("igentai-theme", root.dataset.theme);
  } catch {
    // storage may be forbidden: the choice then lasts as long as the page
  }
});
addEventListener("hashchange", () => choose(wanted()));
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && state.shown) {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "n") {
    event.preventDefault();
    byId("new-topic").click();
  }
});
document.addEventListener("click", (event) => {
  const menu = byId("export");
  if (menu.open && (!menu.contains(event.target) || event.target.closest("a"))) menu.open = false;
});
byId("export").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  byId("export").open = false;
  byId("export").querySelector("summary").focus();
});
byId("home").addEventListener("click", (event) => {
  event.preventDefault();
  history.replaceState(null, "", location.pathname);
  choose(wanted());
});

link.connect();
