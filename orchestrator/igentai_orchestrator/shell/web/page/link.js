// The one WebSocket. It comes back by itself and says what the page holds, so that nothing is missed.

import * as api from "./api.js";

const FIRST_WAIT = 400;
const LONGEST_WAIT = 5000;
const SILENCE = 9000; // the daemon speaks at least every two seconds

export class Link {
  // `heard(message)`; `changed(state)` with connecting, open, lost or locked; `holding()` gives {watch, after}.
  constructor({ heard, changed, holding }) {
    this.heard = heard;
    this.changed = changed;
    this.holding = holding;
    this.socket = null;
    this.wait = FIRST_WAIT;
    this.timer = 0;
    this.lastWord = 0;
    setInterval(() => this.#listen(), 1000);
    const hurry = () => {
      if (document.visibilityState === "visible" && this.socket === null) this.connect();
    };
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.socket !== null) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket = socket;
    this.lastWord = Date.now();
    socket.onopen = () => this.say();
    socket.onmessage = (event) => {
      this.lastWord = Date.now();
      this.wait = FIRST_WAIT;
      this.changed("open");
      this.heard(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.socket === socket) this.#lost();
    };
  }

  // Tells the daemon what is shown now.
  say() {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.holding()));
  }

  async #lost() {
    this.socket = null;
    this.changed("lost");
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(LONGEST_WAIT, this.wait * 1.7);
    this.timer = setTimeout(() => this.connect(), wait);
    // A socket that is refused does not say why.
    const refused = await api.status().then(() => false, (fault) => fault.status === 401);
    if (refused) this.changed("locked");
  }

  #listen() {
    if (this.socket === null || Date.now() - this.lastWord < SILENCE) return;
    const silent = this.socket;
    this.socket = null;
    silent.onclose = null;
    silent.onmessage = null;
    silent.close();
    this.#lost();
  }
}
