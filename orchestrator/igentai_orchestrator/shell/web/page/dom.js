// The few ways in which the page touches the document. Data becomes text and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

// Writes only what differs: unchanged text keeps selections, and screen readers stay silent.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

// Keeps one child of `parent` for each row, made once and then only updated, in the order given.
export function keyed(parent, rows, keyOf, make, update) {
  const had = new Map();
  for (const child of parent.children) had.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const row of rows) {
    const key = String(keyOf(row));
    let node = had.get(key);
    if (node) had.delete(key);
    else {
      node = make(row);
      node.dataset.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, row);
  }
  for (const left of had.values()) left.remove();
}

export function toast(text) {
  const node = byId("toast");
  setText(node, text);
  node.classList.add("on");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => node.classList.remove("on"), 4000);
}
