// The HTTP side. Every fault is an Error whose message is the daemon's one line.

export class Fault extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Fault(0, "The daemon does not answer.");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Fault(answer.status, body?.error ?? `The daemon answered ${answer.status}.`);
  return body;
}

const send = (method, path, body) =>
  ask(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

const topicPath = (id) => `/api/topics/${encodeURIComponent(id)}`;

export const status = () => ask("/api/status");
export const startTopic = (request) => send("POST", "/api/topics", request);
export const stopTopic = (id) => send("POST", `${topicPath(id)}/stop`);
export const resumeTopic = (id) => send("POST", `${topicPath(id)}/resume`);
export const setWeights = (weights) => send("PATCH", "/api/providers", { weights });
export const attribute = (id, number) => ask(`${topicPath(id)}/attributes/${number}`);
export const separate = (id, number) => send("POST", `${topicPath(id)}/attributes/${number}/separate`);
export const exportPath = (id, format) => `${topicPath(id)}/export?format=${format}`;

export function attributes(id, { after = 0, limit = 200, search, partition, provider }, signal) {
  const query = new URLSearchParams({ after, limit });
  if (search) query.set("search", search);
  if (partition) query.set("partition", partition);
  if (provider) query.set("provider", provider);
  return ask(`${topicPath(id)}/attributes?${query}`, { signal });
}
