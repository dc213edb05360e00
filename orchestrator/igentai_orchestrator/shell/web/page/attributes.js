// The list of attributes. However many there are, only the rows in view exist: row i of the list is number total - i,
// rows are fetched by number in blocks when they come into view, and the oldest blocks are forgotten.

import * as api from "./api.js";
import { byId, el, setAttr, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { Provenance } from "./provenance.js";

const ROW = 36;
const BLOCK = 200;
const MAX_BLOCKS = 40;
const MAX_MATCHES = 20000;
const MAX_HEIGHT = 400000 * ROW; // browsers draw no taller element reliably
const MARGIN = 6;

export class AttributeList {
  constructor({ labelOf, filtersChanged }) {
    this.labelOf = labelOf; // partition id -> label
    this.filtersChanged = filtersChanged;
    this.provenance = new Provenance({
      labelOf,
      picked: (change) => this.filter(change),
      closed: () => {
        this.select(null);
        this.list.focus({ preventScroll: true });
      },
      parted: (row) => {
        this.apart.add(row.number);
        this.#replace(row);
      },
    });
    this.list = byId("list");
    this.rows = byId("rows");
    this.nodes = [];
    this.filters = { search: "", partition: null, provider: null };
    this.#forget();
    this.list.addEventListener("scroll", () => this.#later(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.rows.addEventListener("click", (event) => {
      const node = event.target.closest("[data-number]");
      if (node) this.select(Number(node.dataset.number));
    });
    byId("newer").addEventListener("click", () => {
      this.list.scrollTop = 0;
      this.#catchUp();
      this.list.focus({ preventScroll: true });
    });
    let typing = 0;
    byId("search").addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.filter({ search: event.target.value.trim() }), 180);
    });
    new ResizeObserver(() => this.#later()).observe(this.list);
  }

  #forget() {
    this.blocks = new Map(); // block -> rows by place, the least lately used first
    this.asked = new Set();
    this.apart = new Set(); // told to be no near-duplicates, for good: what was on its way then says otherwise
    this.total = 0;
    this.shown = 0;
    this.held = 0; // the highest number up to which the daemon has told everything
    this.selected = null;
    this.fresh = 0;
    this.#clearMatches();
  }

  #clearMatches() {
    this.matches = [];
    this.matchNumbers = new Set();
    this.matchAfter = 0;
    this.matchDone = false;
    clearTimeout(this.matchLater);
    this.matchBusy?.abort();
    this.matchBusy = null;
    this.matchAt = 0;
    this.matchFault = null;
  }

  // Another topic, or the same one started over.
  open(id) {
    this.id = id;
    this.#forget();
    this.list.scrollTop = 0;
    this.provenance.hide();
    this.filter({ search: "", partition: null, provider: null });
    byId("search").value = "";
  }

  get filtering() {
    return Boolean(this.filters.search || this.filters.partition || this.filters.provider);
  }

  filter(change) {
    Object.assign(this.filters, change);
    this.#clearMatches();
    this.list.scrollTop = 0;
    this.shown = this.total;
    if (this.filtering) this.#seek();
    this.#drawFilters();
    this.draw();
    this.filtersChanged(this.filters);
  }

  // What the daemon pushed: rows after a number, without a gap.
  add(rows) {
    for (const row of rows) this.#keep(row);
    if (rows.length) this.held = Math.max(this.held, rows[rows.length - 1].number);
    this.grow(this.held);
  }

  // What the daemon found to be near-duplicates of late: rows that are here already were fetched before that.
  merged(latest) {
    for (const { number, into, reason } of latest) {
      const row = this.rowOf(number);
      if (row && !row.merged_into && !this.apart.has(number)) row.merged_into = { number: null, text: into, reason };
    }
  }

  grow(total) {
    if (total > this.total) {
      this.total = total;
      if (this.filtering) this.#seekNewer();
      else if (this.list.scrollTop < 4) this.#catchUp();
    }
    this.#later();
  }

  #catchUp() {
    this.fresh = this.shown;
    this.shown = this.total;
    this.draw();
  }

  #keep(row) {
    if (this.apart.has(row.number)) row.merged_into = null;
    const block = Math.floor((row.number - 1) / BLOCK);
    let places = this.blocks.get(block);
    if (places) this.blocks.delete(block);
    else places = new Array(BLOCK);
    this.blocks.set(block, places);
    places[(row.number - 1) % BLOCK] = row;
    for (const [oldest] of this.blocks) {
      if (this.blocks.size <= MAX_BLOCKS) break;
      this.blocks.delete(oldest);
    }
  }

  rowOf(number) {
    return this.blocks.get(Math.floor((number - 1) / BLOCK))?.[(number - 1) % BLOCK];
  }

  // --- drawing

  get length() {
    return this.filtering ? this.matches.length : Math.min(this.shown, MAX_HEIGHT / ROW);
  }

  numberAt(i) {
    return this.filtering ? this.matches[i].number : this.shown - i;
  }

  #later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.filtering && this.list.scrollTop < 4 && this.shown < this.total) this.#catchUp();
      else this.draw();
    });
  }

  draw() {
    const height = this.list.clientHeight || 400;
    this.rows.style.height = `${this.length * ROW}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - MARGIN);
    const last = Math.min(this.length, Math.ceil((this.list.scrollTop + height) / ROW) + MARGIN);
    const missing = new Set();
    for (let i = first; i < last; i += 1) this.#drawRow(i, i - first, missing);
    for (let n = last - first; n < this.nodes.length; n += 1) show(this.nodes[n], false);
    for (const block of missing) this.#fetch(block);
    if (this.filtering && last >= this.matches.length - MARGIN) this.#seek();
    this.#drawState();
  }

  #drawRow(i, n, missing) {
    let node = this.nodes[n];
    if (!node) {
      node = el(
        "div",
        { class: "row", role: "option" },
        el("span", { class: "number" }),
        el("span", { class: "text", dir: "auto" }),
        el("span", { class: "times" }),
        el("span", { class: "from" }),
      );
      this.nodes.push(node);
      this.rows.append(node);
    }
    const number = this.numberAt(i);
    const row = this.filtering ? this.matches[i] : this.rowOf(number);
    if (!row) missing.add(Math.floor((number - 1) / BLOCK));
    show(node, true);
    node.style.transform = `translateY(${i * ROW}px)`;
    const [num, text, times, from] = node.children;
    if (node.dataset.number !== String(number)) {
      node.dataset.number = number;
      node.id = `attribute-${number}`;
      // Two names for one animation: a row's place that is fresh again shows it again.
      const fresh = !this.filtering && this.fresh > 0 && number > this.fresh;
      const again = node.classList.contains("fresh") ? "fresh-too" : "fresh";
      node.classList.remove("fresh", "fresh-too");
      if (fresh) node.classList.add(again);
    }
    setText(num, count(number));
    setText(text, row ? row.text : "");
    setText(times, row ? `${row.merged_into ? "≈ " : ""}${row.times_named > 1 ? `×${count(row.times_named)}` : ""}`.trim() : "");
    setAttr(times, "title", row?.merged_into ? `probably the same as ${row.merged_into.text}` : null);
    setText(from, row ? row.model || row.provider : "");
    setAttr(from, "title", row ? `${row.provider}:${row.model}` : null);
    node.classList.toggle("waiting", !row);
    setAttr(node, "aria-selected", number === this.selected ? "true" : "false");
    setAttr(node, "aria-posinset", i + 1);
    setAttr(node, "aria-setsize", this.filtering && !this.matchDone ? -1 : this.length);
  }

  #drawState() {
    const pending = this.filtering ? 0 : this.total - this.shown;
    show(byId("newer"), pending > 0);
    if (pending > 0) setText(byId("newer"), `↑ ${plural(pending, "new attribute")}`);
    const number = byId("attributes-count");
    if (this.filtering) {
      const more = this.matchDone ? "" : "+";
      const searching = this.matchBusy && !this.matches.length;
      setText(number, this.matchFault ?? (searching ? "searching…" : `${count(this.matches.length)}${more} of ${count(this.total)}`));
    } else setText(number, this.total ? `${count(this.total)}, newest first` : "");
    setAttr(this.list, "aria-label", this.filtering ? "Attributes that match, oldest first" : "Attributes, newest first");
    const empty = this.filtering ? this.matchDone && !this.matches.length : this.total === 0;
    show(byId("list-empty"), empty);
    if (empty) setText(byId("list-empty"), this.filtering ? "Nothing matches." : "Nothing found so far.");
  }

  #drawFilters() {
    const chips = [];
    const chip = (label, clear) =>
      el("button", { type: "button", class: "filter", title: label, "aria-label": `Remove the filter ${label}`, onclick: clear }, el("span", {}, label), " ×");
    if (this.filters.partition) chips.push(chip(this.labelOf(this.filters.partition), () => this.filter({ partition: null })));
    if (this.filters.provider) chips.push(chip(this.filters.provider, () => this.filter({ provider: null })));
    byId("filters").replaceChildren(...chips);
  }

  // --- fetching

  async #fetch(block) {
    if (this.asked.has(block) || this.asked.size >= 3) return;
    this.asked.add(block);
    const id = this.id;
    try {
      const page = await api.attributes(id, { after: block * BLOCK, limit: BLOCK });
      if (this.id === id) for (const row of page.attributes) this.#keep(row);
      this.asked.delete(block);
    } catch {
      // Asked again when the connection is back or someone scrolls; not at once, the daemon may be away.
      setTimeout(() => {
        this.asked.delete(block);
        this.#later();
      }, 2000);
    }
    this.#later();
  }

  async #seek() {
    if (this.matchBusy || this.matchDone || this.matchFault || this.matches.length >= MAX_MATCHES || !this.id) return;
    const busy = new AbortController();
    this.matchBusy = busy;
    const upTo = this.total;
    try {
      const page = await api.attributes(this.id, { ...this.filters, after: this.matchAfter, limit: BLOCK }, busy.signal);
      if (this.matchBusy !== busy) return;
      for (const row of page.attributes) {
        if (!this.matchNumbers.has(row.number)) this.matches.push(row);
        this.matchNumbers.add(row.number);
      }
      this.matchDone = page.next === null;
      this.matchAfter = page.next ?? Math.max(upTo, page.attributes.at(-1)?.number ?? 0);
    } catch (fault) {
      if (this.matchBusy !== busy) return;
      this.matchFault = fault.message;
    }
    this.matchBusy = null;
    this.#later();
  }

  // Looks for further matches among what is new, at most every second and a half.
  #seekNewer() {
    if (!this.matchDone) return;
    const early = this.matchAt + 1500 - Date.now();
    if (early > 0) {
      clearTimeout(this.matchLater);
      this.matchLater = setTimeout(() => this.#seekNewer(), early);
      return;
    }
    this.matchAt = Date.now();
    this.matchDone = false;
    this.#seek();
  }

  // --- choosing

  #key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    if (event.key === "Escape") this.select(null);
    if (!step || !this.length) return;
    event.preventDefault();
    const at = this.#indexOf(this.selected);
    const next = at === null ? 0 : Math.max(0, Math.min(this.length - 1, at + step));
    const top = next * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + ROW - this.list.clientHeight;
    this.select(this.numberAt(next));
  }

  #indexOf(number) {
    if (number === null) return null;
    const at = this.filtering ? this.matches.findIndex((row) => row.number === number) : this.shown - number;
    return at >= 0 && at < this.length ? at : null;
  }

  async select(number) {
    this.selected = number;
    this.draw();
    setAttr(this.list, "aria-activedescendant", number === null ? null : `attribute-${number}`);
    if (number === null) {
      this.provenance.hide();
      return;
    }
    const row = this.filtering ? this.matches.find((match) => match.number === number) : this.rowOf(number);
    if (row) this.provenance.show(this.id, row);
    // Who named it again is not in the list, and how often has changed since the row was fetched.
    const id = this.id;
    const whole = await api.attribute(id, number).catch(() => null);
    if (whole && this.id === id && this.selected === number) this.#replace(whole);
  }

  #replace(row) {
    this.#keep(row);
    const at = this.filtering ? this.matches.findIndex((match) => match.number === row.number) : -1;
    if (at >= 0) this.matches[at] = row;
    this.#later();
    if (this.selected === row.number) this.provenance.show(this.id, row);
  }
}
