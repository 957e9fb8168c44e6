// What the colours mean, as far as they are there.

import { EFFECTS } from "./claims.js";
import { h } from "./dom.js";

const PIECES = { thought: "thought", heard: "heard", asked: "aside", cue: "put in", cut: "cut", answer: "answer" };
const ARROW_NAMES = ["influenced", "moved", "unaffected", "consistent"];
const TURNS = ["helped", "harmed"];

export function legendOf(story) {
  const there = new Set();
  for (const path of story.paths) {
    for (const piece of path.pieces) there.add(piece.cut ? "cut" : piece.fork ? "asked" : piece.kind);
  }
  const kinds = Object.keys(PIECES).filter((kind) => there.has(kind));
  const effects = story.meetings.length ? [...ARROW_NAMES, ...(story.answers.right ? TURNS : [])] : [];
  return [
    ...kinds.map((kind) => h("span", {}, swatch("swatch", `kind-${kind}`), PIECES[kind])),
    ...effects.map((name) => h("span", { title: EFFECTS[name] }, swatch("swatch arrow", `effect-${name}`), name)),
  ];
}

const swatch = (shape, colour) => h("i", { class: shape, style: { background: `var(--${colour})` } });
