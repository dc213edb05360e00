// Numbers and times as people read them. Every function copes with what is missing: it answers "–".

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const known = (value) => typeof value === "number" && Number.isFinite(value);

export const count = (value) => (known(value) ? whole.format(value) : NONE);

// Three significant digits: a rate says no more, and its last digits would only flicker.
export function rate(value) {
  if (!known(value)) return NONE;
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return whole.format(Number(value.toPrecision(3)));
  if (Math.abs(value) >= 100) return whole.format(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export function short(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) >= 1e6) return `${trim(value / 1e6)} M`;
  if (Math.abs(value) >= 1e4) return `${trim(value / 1e3)} k`;
  return whole.format(value);
}

const trim = (value) => value.toFixed(value >= 100 ? 0 : 1).replace(/\.0$/, "");

export function money(value) {
  if (!known(value)) return NONE;
  if (value === 0) return "$0";
  if (Math.abs(value) < 0.0001) return "< $0.0001";
  const digits = Math.abs(value) < 0.01 ? 4 : Math.abs(value) < 1 ? 3 : 2;
  return `$${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

export const percent = (value) => (known(value) ? `${Math.round(value * 100)} %` : NONE);

export function duration(seconds) {
  if (!known(seconds)) return NONE;
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export function latency(ms) {
  if (!known(ms)) return NONE;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export const megabytes = (bytes) => (known(bytes) ? `${Math.round(bytes / 1e6)} MB` : NONE);

export function moment(text) {
  const at = typeof text === "number" ? new Date(text * 1000) : new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? NONE : clock.format(at);
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
