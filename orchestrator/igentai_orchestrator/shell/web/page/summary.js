// The head of a topic: its name, what it does, and the five numbers.

import { byId, setAttr, setText, show } from "./dom.js";
import { count, duration, money, percent, plural, rate } from "./format.js";

const WORDS = {
  running: "running",
  queued: "waiting in the queue",
  finished: "finished",
  stopped: "stopped",
  interrupted: "interrupted",
};
const RATES_EVERY = 1000; // a rate that changes four times a second cannot be read

let ratesAt = -Infinity;
let ratesLater = 0;

export function drawTitle(row, numbers) {
  const status = row.status ?? numbers.status ?? "unknown";
  setText(byId("name"), row.topic ?? numbers.topic ?? row.id);
  setText(byId("status"), WORDS[status] ?? status);
  setAttr(byId("status"), "data-status", status);
  const invented = numbers.simulated ? "simulated: nothing here is real" : numbers.embedded ? "embedded model: it invents" : "";
  show(byId("simulated"), Boolean(invented));
  setText(byId("simulated"), invented);
  const requests = (numbers.requests?.ok ?? 0) + (numbers.requests?.failed ?? 0);
  const failed = numbers.requests?.failed ? `, ${count(numbers.requests.failed)} failed` : "";
  setText(byId("meta"), `${plural(requests, "request")}${failed} · ${duration(numbers.elapsed_s ?? 0)}`);
  const reason = numbers.stop_reason ?? row.stop_reason;
  setText(byId("reason"), status !== "running" && reason ? sentence(reason) : "");
  show(byId("stop"), status === "running" || status === "queued");
  setText(byId("stop"), status === "queued" ? "Remove from the queue" : "Stop");
  show(byId("resume"), ["finished", "stopped", "interrupted"].includes(status));
}

export function drawNumbers(numbers, now = performance.now()) {
  const coverage = numbers.coverage ?? {};
  setText(byId("found"), count(numbers.unique_attributes ?? 0));
  setText(byId("found-note"), foundNote(numbers, coverage));
  setText(byId("exist-head"), numbers.embedded ? "Can be named, at least" : "Exist, at least"); // it invents
  setText(byId("exist"), count(coverage.at_least || null));
  setText(byId("exist-note"), estimate(coverage, numbers));
  drawMoney(numbers);
  if (!numbers.requests) return;
  clearTimeout(ratesLater);
  const early = numbers.status === "running" ? ratesAt + RATES_EVERY - now : 0;
  if (early > 0) {
    ratesLater = setTimeout(() => drawNumbers(numbers), early); // there may be no further numbers
    return;
  }
  ratesAt = now;
  drawPace(numbers);
  drawForecast(numbers, coverage);
}

// Another topic is shown: its rates must not wait for the last one's second to pass.
export function resetRates() {
  ratesAt = -Infinity;
  clearTimeout(ratesLater);
}

function foundNote(numbers, coverage) {
  const near = numbers.near_duplicates?.merged ?? 0;
  return [
    near ? `${count(near)} of them probably near-duplicates` : "",
    coverage.support_2 ? `${count(coverage.support_2)} named by two models or more` : "",
  ].filter(Boolean).join("; ");
}

function estimate(coverage, numbers) {
  const found = numbers.unique_attributes ?? 0;
  const more = (coverage.at_least ?? 0) - found;
  if (numbers.embedded) return found ? `${more > 0 ? `${count(more)} or more to come; ` : ""}most are made up: so small a model knows little` : "";
  const left = more > 0 ? `${count(more)} or more to find; ` : "";
  if (coverage.estimated_total) {
    const interval = coverage.low && coverage.high ? ` (${count(coverage.low)} – ${count(coverage.high)})` : "";
    const sure = coverage.confidence ? `; ${coverage.confidence}` : "";
    return `${left}estimated ${count(coverage.estimated_total)}${interval}${sure}`;
  }
  return found ? `${left}no estimate: ${coverage.confidence || "too early, or the methods disagree"}` : "";
}

// What comes in now; the average of the whole run once it has ended.
function drawPace(numbers) {
  const whole = numbers.unique_per_minute;
  const now = numbers.status === "running" ? numbers.recent : null;
  setText(byId("pace"), rate(now?.unique_per_minute ?? whole));
  const since = now && numbers.elapsed_s > now.seconds + 1;
  const span = since ? `in the last ${duration(now.seconds)}, ${rate(whole)} over the whole run` : numbers.unique_attributes ? "over the whole run" : "";
  const repeats = typeof numbers.repeats_share === "number" ? `${percent(numbers.repeats_share)} of all named were repeats` : "";
  setText(byId("pace-note"), [span, repeats].filter(Boolean).join("; "));
}

function drawMoney(numbers) {
  const { cost_usd: spent, budget_usd: budget } = numbers;
  setText(byId("spent"), money(spent ?? 0));
  show(byId("spent-gauge"), Boolean(budget));
  if (budget) {
    byId("spent-gauge").firstElementChild.style.transform = `scaleX(${Math.min(1, (spent ?? 0) / budget)})`;
    setText(byId("spent-note"), `of ${money(budget)}; ${money(Math.max(0, budget - (spent ?? 0)))} left${lasts(numbers)}`);
  } else setText(byId("spent-note"), spent === 0 ? "nothing so far" : "no budget set");
}

// How long the budget lasts as things go.
function lasts({ status, budget }) {
  const minutes = budget?.forecast?.minutes;
  return status === "running" && typeof minutes === "number" ? `, for about ${roughly(minutes * 60)} at this pace` : "";
}

const roughly = (seconds) => {
  if (seconds < 90) return "a minute";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
};

function drawForecast(numbers, coverage) {
  const next = coverage.forecast_next_usd;
  const request = coverage.forecast_next_request;
  // Where nothing costs anything, what counts is what one more request brings.
  const free = typeof next !== "number" && !numbers.cost_usd && typeof request === "number";
  const brings = free ? request : next;
  setText(byId("next-title"), free ? "New for the next request" : "New for the next dollar");
  setText(byId("next"), typeof brings === "number" ? `≈ ${rate(brings)}` : "–");
  const parts = [];
  if (typeof coverage.gain_next_double === "number") parts.push(`twice the requests: ≈ ${count(coverage.gain_next_double)} more`);
  const record = forecastRecord(coverage.record);
  if (record) parts.push(record);
  setText(byId("next-note"), parts.join("; "));
}

// How earlier forecasts turned out: words, or {count, bias, rmse} as shares of what came.
function forecastRecord(record) {
  if (typeof record === "string") return record;
  if (!record?.count || typeof record.rmse !== "number") return "";
  const lean = typeof record.bias !== "number" || Math.abs(record.bias) < 0.005 ? "" : `, on average ${percent(Math.abs(record.bias))} too ${record.bias > 0 ? "high" : "low"}`;
  return `${plural(record.count, "forecast")} so far, off by ${percent(record.rmse)}${lean}`;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
