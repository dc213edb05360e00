// The topics of the outputs folder: what runs, what waits, what is done.

import { byId, el, keyed, setAttr, setText } from "./dom.js";
import { money, plural } from "./format.js";

const RANK = { running: 0, queued: 1 };

export function drawTopics(rows, shown) {
  const ordered = [...rows].sort(
    (a, b) => (RANK[a.status] ?? 2) - (RANK[b.status] ?? 2) || String(b.updated ?? "").localeCompare(String(a.updated ?? "")),
  );
  keyed(byId("topics"), ordered, (row) => row.id, make, (node, row) => {
    const link = node.firstElementChild;
    setAttr(link, "aria-current", row.id === shown ? "page" : null);
    setAttr(link, "data-status", row.status);
    setText(link.children[0], row.topic ?? row.id);
    const ended = row.status === "stopped" || row.status === "interrupted" ? ` · ${row.status}` : "";
    setText(link.children[1], row.status === "queued" ? "waiting" : `${plural(row.unique_attributes ?? 0, "attribute")} · ${money(row.cost_usd ?? 0)}${ended}`);
    setAttr(link, "title", `${row.status}${row.stop_reason ? `: ${row.stop_reason}` : ""}`);
  });
}

function make(row) {
  return el("li", {}, el("a", { href: `#${encodeURIComponent(row.id)}` }, el("b", { dir: "auto" }), el("span")));
}
