// Search in all texts of a circle.

import { counted, h, number, refill, said } from "./dom.js";
import { marked, nameOf } from "./reader.js";

const MOST = 300; // places that are listed
const AROUND = 60; // characters on both sides

// Every piece that has the term, and how often: [{piece, at, times}].
export function find(story, term) {
  const wanted = term.toLowerCase();
  const found = [];
  if (!wanted) return found;
  for (const path of story.paths) {
    for (const piece of path.pieces) {
      piece.low ??= piece.text.toLowerCase();
      const at = piece.low.indexOf(wanted);
      if (at >= 0) found.push({ piece, at, times: piece.low.split(wanted).length - 1 });
    }
  }
  return found;
}

export function openResults(panel, view, term) {
  const found = find(view.story, term);
  const times = found.reduce((sum, one) => sum + one.times, 0);
  view.mark(found.map(({ piece }) => piece));
  const more = found.length > MOST ? `, of which ${number(MOST)} pieces are listed` : "";
  refill(
    panel,
    h(
      "header",
      { class: "panel-head" },
      h(
        "div",
        {},
        h("h3", {}, said(`“${term}”`)),
        h(
          "p",
          { class: "faint", role: "status" },
          `${counted(times, "place")} in ${counted(found.length, "piece")}${more}`,
        ),
      ),
      h("span", { class: "tools" }, view.closer()),
    ),
    h(
      "ol",
      { class: "scroll results", tabindex: "0" },
      found.slice(0, MOST).map((one) => result(view, one, term)),
    ),
  );
}

function result(view, { piece, at, times }, term) {
  const text = piece.text.slice(Math.max(0, at - AROUND), at + term.length + AROUND).replace(/\s+/g, " ");
  return h(
    "li",
    {},
    h(
      "button",
      { class: "result", onclick: () => view.choosePiece(piece, { term }) },
      h("span", { class: "faint" }, `path ${piece.path} · ${nameOf(piece)}${times > 1 ? ` · ${times} times` : ""}`),
      marked(text, term),
    ),
  );
}
