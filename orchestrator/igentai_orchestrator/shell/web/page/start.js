// Starting a topic: the one-line form of an empty page, and the dialog with everything.

import * as api from "./api.js";
import { byId, el, setText, show, toast } from "./dom.js";

const NUMBERS = [
  "budget", "max_attributes", "max_requests", "max_minutes", "producers", "concurrency", "request_size", "temperature", "min_yield",
];
const MOST_OFFERED = 12;

export class Start {
  constructor({ known, busy, started }) {
    this.known = known; // () -> keys of the models that can be asked
    this.busy = busy; // () -> the topic that runs, null where none does
    this.started = started;
    this.dialog = byId("start");
    this.form = byId("start-form");
    byId("new-topic").addEventListener("click", () => this.open(""));
    byId("quick-more").addEventListener("click", () => this.open(byId("quick-topic").value));
    byId("start-cancel").addEventListener("click", () => this.dialog.close());
    byId("start-resume").addEventListener("click", () => this.#go({ resume: true }));
    byId("start-overwrite").addEventListener("click", () => this.#go({ overwrite: true }));
    this.form.elements.topic.addEventListener("input", () => this.#fault(""));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go({});
    });
    byId("quick").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#quick();
    });
  }

  open(topic) {
    this.form.elements.topic.value = topic;
    this.#fault("");
    this.#offer();
    if (!this.dialog.open) this.dialog.showModal();
    this.form.elements.topic.focus();
  }

  // The models that are known, one press each to add.
  #offer() {
    const field = this.form.elements.providers;
    const add = (key) => () => {
      field.value = [...field.value.split(",").map((model) => model.trim()).filter((model) => model && model !== key), key].join(", ");
    };
    byId("known").replaceChildren(
      ...this.known().slice(0, MOST_OFFERED).map((key) => el("button", { type: "button", class: "filter", title: key, onclick: add(key) }, `+ ${key}`)),
    );
  }

  async #quick() {
    const topic = byId("quick-topic").value.trim();
    if (!topic) return;
    setText(byId("quick-fault"), "");
    try {
      this.#done(await api.startTopic({ topic }));
      byId("quick").reset();
    } catch (fault) {
      setText(byId("quick-fault"), fault.message);
    }
  }

  async #go(extra) {
    const faulty = [...this.form.elements].find((field) => field.willValidate && !field.checkValidity());
    if (faulty) {
      faulty.closest("details")?.setAttribute("open", "");
      const name = (faulty.labels?.[0]?.firstChild.textContent ?? faulty.name).trim();
      this.#fault(`${name}: ${faulty.validationMessage}`);
      faulty.focus();
      return;
    }
    byId("start-go").disabled = true;
    try {
      this.#done(await api.startTopic({ ...this.#request(), ...extra }));
      this.dialog.close();
      this.form.reset();
    } catch (fault) {
      this.#fault(fault.message, fault.status === 409);
    } finally {
      byId("start-go").disabled = false;
    }
  }

  #request() {
    const fields = this.form.elements;
    const request = { topic: fields.topic.value.trim() };
    for (const name of NUMBERS) if (fields[name].value !== "") request[name] = Number(fields[name].value);
    const models = fields.providers.value.split(",").map((model) => model.trim()).filter(Boolean);
    if (models.length) request.providers = models;
    if (fields.prompt.value.trim()) request.prompt = fields.prompt.value;
    for (const name of ["optimise", "partition"]) if (fields[name].value) request[name] = fields[name].value;
    const categories = fields.categories.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (categories.length) request.categories = categories;
    if (fields.until_coverage.value !== "") request.until_coverage = Number(fields.until_coverage.value) / 100;
    if (!fields.saturation.checked) request.saturation = false;
    if (!fields.near_duplicates.checked) request.near_duplicates = "keep";
    if (fields.verify.checked) request.verify = true;
    return request;
  }

  #fault(text, exists = false) {
    setText(byId("start-fault"), text);
    show(byId("start-again"), exists);
  }

  #done(row) {
    // Every topic goes through the queue; it waits there only where another one runs.
    const running = this.busy();
    toast(row.status === "queued" && running && running.id !== row.id ? `“${row.topic}” waits in the queue.` : `“${row.topic}” started.`);
    this.started(row);
  }
}
