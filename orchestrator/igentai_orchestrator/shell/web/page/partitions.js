// The partition tree: what was found in each and at least how much is left there.

import { byId, el, keyed, setAttr, setText } from "./dom.js";
import { count, percent, plural } from "./format.js";

const DONE = new Set(["done", "retired", "closed", "merged", "exhausted"]);

export class Partitions {
  constructor({ picked }) {
    this.picked = picked;
    this.host = byId("partitions");
    this.closed = new Set();
    this.rows = [];
    this.byId = new Map();
    this.tree = el("ul", { class: "tree" });
    this.note = el("p", { class: "hint" });
    this.host.append(this.tree, this.note);
  }

  labelOf(id) {
    return this.byId.get(id)?.label || id;
  }

  update(document) {
    this.rows = document?.rows ?? [];
    this.byId = new Map(this.rows.map((row) => [row.id, row]));
    const omitted = document?.omitted ?? 0;
    setText(this.note, this.rows.length ? (omitted ? `${plural(omitted, "partition")} with less left not shown.` : "") : "One prompt for the whole topic so far.");
    this.#draw();
  }

  #draw() {
    // The topic itself may be written as its own parent.
    const parents = new Set(this.rows.filter((row) => row.parent !== row.id).map((row) => row.parent));
    const ordered = walk(this.rows).filter((row) => !this.#hidden(row));
    const most = Math.max(...this.rows.map((row) => (row.unique_attributes ?? 0) + (row.left ?? 0)), 1);
    keyed(this.tree, ordered, (row) => row.id, (row) => this.#make(row), (node, row) => this.#drawRow(node, row, parents.has(row.id), most));
  }

  #hidden(row) {
    for (let at = row, n = 0; at && at.parent !== at.id && n < 64; n += 1) {
      at = this.byId.get(at.parent);
      if (at && this.closed.has(at.id)) return true;
    }
    return false;
  }

  #make({ id }) {
    const fold = () => {
      if (!this.closed.delete(id)) this.closed.add(id);
      this.#draw();
    };
    return el(
      "li",
      { class: "part" },
      el(
        "div",
        { class: "who" },
        el("button", { type: "button", class: "fold", onclick: fold }),
        el("button", { type: "button", class: "text label", onclick: () => this.picked(id) }),
      ),
      el("div", { class: "fill" }, el("i", { class: "have" }), el("i", { class: "left" })),
      el("span", { class: "have-count" }),
      el("span", { class: "left-count" }),
      el("span", { class: "new" }),
    );
  }

  #drawRow(node, row, parent, most) {
    const found = row.unique_attributes ?? 0;
    const left = row.left ?? 0;
    node.style.setProperty("--depth", Math.min(row.depth ?? 0, 6));
    const [who, fill, have, rest, fresh] = node.children;
    const [fold, label] = who.children;
    fold.style.visibility = parent ? "" : "hidden";
    setText(fold, this.closed.has(row.id) ? "▸" : "▾");
    setAttr(fold, "aria-expanded", parent ? String(!this.closed.has(row.id)) : null);
    setAttr(fold, "aria-label", parent ? `Parts of ${row.label}` : null);
    setText(label, (row.depth ?? 0) === 0 ? "Asked for the whole topic" : row.label || row.id);
    const own = row.coherence === null || row.coherence === undefined ? "" : `, ${percent(row.coherence)} its own`;
    setAttr(label, "title", `${row.label}: ${plural(row.answers ?? 0, "answer")}${own}; show its attributes`);
    node.classList.toggle("done", DONE.has(row.state));
    fill.children[0].style.width = `${Math.min(100, (100 * found) / most)}%`;
    fill.children[1].style.width = `${Math.min(100 - Math.min(100, (100 * found) / most), (100 * left) / most)}%`;
    setText(have, count(found));
    setText(rest, left ? `≥ ${count(left)} left` : DONE.has(row.state) ? "done" : "");
    setText(fresh, row.fresh_rate === null || row.fresh_rate === undefined ? "" : `${percent(row.fresh_rate)} new`);
  }
}

// Parents before their parts; a row whose parent is not there stands at the top.
function walk(rows) {
  const known = new Set(rows.map((row) => row.id));
  const parts = new Map();
  for (const row of rows) {
    const parent = known.has(row.parent) && row.parent !== row.id ? row.parent : null;
    parts.set(parent, [...(parts.get(parent) ?? []), row]);
  }
  const ordered = [];
  const seen = new Set();
  const visit = (parent) => {
    for (const row of parts.get(parent) ?? []) {
      if (seen.has(row.id)) continue;
      seen.add(row.id);
      ordered.push(row);
      visit(row.id);
    }
  };
  visit(null);
  return ordered;
}
