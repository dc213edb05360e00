// Where one attribute came from: who named it first, when, how often it was named, and what it is probably the same as.

import * as api from "./api.js";
import { byId, el, show, toast } from "./dom.js";
import { count, moment } from "./format.js";

// Why two attributes are taken for one; the words are those of igentai.kinship.
const WHY = {
  punctuation: "other punctuation",
  article: "with and without an article",
  acronym: "written as an acronym",
  parenthesis: "with and without what stands in parentheses",
  order: "the words in another order",
  plural: "singular and plural",
  transposition: "two letters changed places",
};

export class Provenance {
  // `picked(filters)`: show only these; `closed()`; `parted(row)`: it is no near-duplicate any more.
  constructor({ labelOf, picked, closed, parted }) {
    this.labelOf = labelOf;
    this.picked = picked;
    this.closed = closed;
    this.parted = parted;
    this.host = byId("provenance");
    this.host.addEventListener("keydown", (event) => {
      if (event.key === "Escape") closed();
    });
  }

  hide() {
    show(this.host, false);
  }

  show(topic, row) {
    const model = `${row.provider}:${row.model}`;
    const pick = (text, change) => el("button", { type: "button", class: "text link", title: "Show only these", onclick: () => this.picked(change) }, text);
    show(this.host, true);
    this.host.replaceChildren(
      el("button", { type: "button", class: "plain close", "aria-label": "Close", onclick: () => this.closed() }, "×"),
      el("p", { class: "whole", dir: "auto" }, row.text),
      el(
        "dl",
        {},
        fact("Number", count(row.number)),
        fact("Found by", pick(model, { provider: model })),
        fact("In", row.partition ? pick(this.labelOf(row.partition), { partition: row.partition }) : "the whole topic"),
        fact("At", moment(row.at)),
        fact("Named", row.times_named > 1 ? `${count(row.times_named)} times` : "once", again(row)),
        fact("Producer", row.producer ?? "–"),
        row.merged_into ? this.#kin(topic, row) : null,
        row.variants?.length ? fact("Also as", ...row.variants.map(variant)) : null,
      ),
    );
  }

  #kin(topic, row) {
    const { number, text, reason } = row.merged_into;
    const apart = el("button", { type: "button", class: "apart" }, "not the same");
    apart.addEventListener("click", () => this.#separate(topic, apart, row.number));
    const head = el("b", { dir: "auto" }, text);
    return fact("Same as", head, `${number ? `, number ${count(number)}` : ""}, probably: ${WHY[reason] ?? reason} `, apart);
  }

  async #separate(topic, button, number) {
    button.disabled = true;
    try {
      const row = await api.separate(topic, number);
      this.parted(row);
      toast("Kept apart from now on.");
    } catch (fault) {
      button.disabled = false;
      toast(fault.message);
    }
  }
}

// Who named it again, the busiest first.
function again(row) {
  const times = new Map();
  for (const { provider, model } of row.named_again ?? []) times.set(`${provider}:${model}`, (times.get(`${provider}:${model}`) ?? 0) + 1);
  if (!times.size) return null;
  const told = [...times].sort((a, b) => b[1] - a[1]).map(([model, n]) => `${model}${n > 1 ? ` ×${n}` : ""}`);
  const last = row.named_again.length === row.times_named - 1 ? `, last ${moment(row.named_again.at(-1).at)}` : "";
  return el("span", { class: "again" }, `again by ${told.join(", ")}${last}`);
}

const variant = ({ number, text, reason }) => el("span", { class: "variant" }, el("b", { dir: "auto" }, text), `, number ${count(number)}: ${WHY[reason] ?? reason}`);

const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
