// The worker processes and how they are.

import { byId, el, keyed, setAttr, setText } from "./dom.js";
import { count, megabytes, plural } from "./format.js";

export class Producers {
  constructor() {
    this.host = byId("producers");
  }

  update(rows) {
    const flying = rows.reduce((sum, row) => sum + (row.in_flight ?? 0), 0);
    const alive = rows.filter((row) => row.state !== "dead" && row.state !== "failed").length;
    setText(byId("producers-hint"), rows.length ? `${plural(alive, "process", "processes")}, ${plural(flying, "request")} in flight` : "Starting…");
    keyed(this.host, rows, (row) => row.id ?? row.slot, make, draw);
  }
}

function make() {
  return el(
    "li",
    { class: "producer" },
    el("p", { class: "who" }, el("b"), el("span", { class: "state" })),
    el("p", { class: "does" }),
    el("p", { class: "uses" }),
  );
}

function draw(node, row) {
  const [who, does, uses] = node.children;
  setText(who.children[0], String(row.id ?? `producer ${row.slot}`));
  setText(who.children[1], row.state ?? "unknown");
  setAttr(who.children[1], "data-state", row.state ?? "unknown");
  setText(does, `${plural(row.requests ?? 0, "request")} · ${count(row.unique_attributes ?? 0)} found`);
  const restarts = row.restarts ? ` · ${plural(row.restarts, "restart")}` : "";
  setText(uses, `${row.in_flight ?? 0} in flight · ${Math.round(row.cpu ?? 0)} % CPU · ${megabytes(row.rss)}${restarts}`);
  setAttr(node, "title", row.pid ? `process ${row.pid}` : null);
}
