// Elements made in one way: texts become text nodes, never markup.

import { shown } from "./draw.js";

// An element: h("button", {class: "quiet", onclick: act, "aria-label": "Play"}, "text", child, ...).
export function h(name, given = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style")
      for (const [property, set] of Object.entries(value)) element.style.setProperty(property, set);
    else element.setAttribute(key, value === true ? "" : value);
  }
  put(element, ...children);
  return element;
}

export function put(element, ...children) {
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function refill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

// Text of a model: seen as it is, what is invisible by its number, in a direction of its own.
export const said = (text, name = "span") => h(name, { class: "said", dir: "auto" }, shown(text));

// A claim as a chip of its colour.
export function chip(group, text = null) {
  const sign = group?.right === true ? " ✓" : group?.right === false ? " ✗" : "";
  const label = text ?? group?.label ?? "no claim";
  if (!group) return h("span", { class: "chip none" }, said(cutTo(label, 80)));
  return h(
    "span",
    { class: "chip", style: { "--chip": `var(--claim-${group.colour})` } },
    said(cutTo(label, 80)),
    sign,
  );
}

// Scrolls a box, and nothing around it, until an element of it can be seen.
export function bring(box, element, share = 0) {
  if (!element) return;
  const above = element.getBoundingClientRect().top - box.getBoundingClientRect().top;
  box.scrollTop += above - share * box.clientHeight;
}

export const cutTo = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

export const number = (value) => Math.round(value).toLocaleString("en");

export const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
