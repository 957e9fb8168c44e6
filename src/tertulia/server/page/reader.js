// The text of a path, piece by piece. Only what is near the piece that one reads is in the document; more of it comes
// as one scrolls, so that a long thought costs no more than a short one.

import { EFFECTS } from "./claims.js";
import { bring, chip, counted, cutTo, h, refill, said } from "./dom.js";
import { shown } from "./draw.js";

const CHUNK = 3000; // characters of one block
const NEAR = 24; // blocks that are put in at once
const GROWING = 4; // blocks at the end of a path that is under way, which may change
const MOST_IDS = 2000; // ids of a piece that are shown

export const NAMES = {
  prompt: "asked",
  thought: "thought",
  heard: "heard",
  asked: "asked aside",
  aside: "wrote aside",
  judged: "judged aside",
  cue: "put in",
  summary: "wrote for the others",
  answer: "answered",
};

export const nameOf = (piece) => `${NAMES[piece.kind] ?? cutTo(piece.kind, 20)}${piece.cut ? ", then cut" : ""}`;

export function openReader(panel, view, piece, term = "") {
  const path = view.story.paths[piece.path];
  const blocks = blocksOf(view, path);
  const body = h("div", { class: "text", tabindex: "0", "aria-label": `Text of path ${path.index}` });
  const ids = h("div", { class: "ids", hidden: true });
  refill(panel, headOf(view, path, piece, ids), ids, body);
  const at = Math.max(
    0,
    blocks.findIndex((block) => block.piece === piece),
  );
  view.reader = new Blocks(body, blocks, at, (block) => drawn(view, block, piece, term));
  view.reader.path = piece.path;
  const found = term ? body.querySelector("[aria-current] mark") : null;
  bring(body, found ?? body.querySelector("[aria-current]"), found ? 0.4 : 0);
  view.reader.watch();
}

// The path that is read has got further.
export function renewReader(view) {
  view.reader.renew(blocksOf(view, view.story.paths[view.reader.path]));
}

function headOf(view, path, piece, ids) {
  const show = h(
    "button",
    { class: "quiet", "aria-expanded": "false", onclick: () => showIds(show, ids, piece) },
    "ids",
  );
  const facts = [counted(piece.count, "token"), piece.key].filter(Boolean).join(" · ");
  return h(
    "header",
    { class: "panel-head" },
    h(
      "div",
      {},
      h("h3", {}, `Path ${path.index} `, chip(path.group)),
      h("p", { class: "faint" }, said(`${nameOf(piece)} · ${facts}`)),
    ),
    h("span", { class: "tools" }, piece.ids.length ? show : null, view.closer()),
  );
}

function showIds(button, ids, piece) {
  ids.hidden = !ids.hidden;
  button.setAttribute("aria-expanded", String(!ids.hidden));
  const more = piece.ids.length > MOST_IDS ? ` and ${counted(piece.ids.length - MOST_IDS, "more")}` : "";
  refill(ids, `${piece.ids.slice(0, MOST_IDS).map(String).join(" ")}${more}`);
}

// A path as blocks of text, with a line for each meeting it came to.
function blocksOf(view, path) {
  const blocks = [];
  const meetings = path.claims.map((claim) => claim.meeting);
  let met = 0;
  for (const piece of path.pieces) {
    while (met < meetings.length && after(piece, meetings[met], path.index))
      blocks.push({ meeting: meetings[met++], path });
    const { text } = piece;
    for (let at = 0; at === 0 || at < text.length; at += CHUNK) {
      blocks.push({ piece, text: text.slice(at, at + CHUNK), first: at === 0 });
    }
  }
  while (met < meetings.length) blocks.push({ meeting: meetings[met++], path });
  return blocks;
}

function after(piece, meeting, path) {
  if (piece.kind === "prompt" || piece.fork) return false;
  const moment = meeting.moments.get(path);
  return piece.column > moment.column || (piece.column === moment.column && piece.at >= moment.at);
}

function drawn(view, block, chosen, term) {
  if (block.meeting) return meetingLine(view, block);
  const { piece, text, first } = block;
  const kind = Object.hasOwn(NAMES, piece.kind) ? piece.kind : "cue";
  const element = h("section", {
    class: ["block", `kind-${kind}`, piece.cut ? "cut" : "", piece.fork ? "fork" : ""].join(" "),
    "aria-current": piece === chosen ? "true" : null,
  });
  if (first)
    element.append(h("h4", {}, nameOf(piece), h("span", { class: "faint" }, ` ${counted(piece.count, "token")}`)));
  element.append(marked(text, term));
  element.addEventListener("click", () => getSelection().isCollapsed && view.choosePiece(piece, { open: false }));
  return element;
}

function meetingLine(view, { meeting, path }) {
  const effect = meeting.effects.get(path.index);
  const told = meeting.heard.get(path.index);
  const heard = told.peers.length
    ? `heard ${told.peers.length > 6 ? counted(told.peers.length, "peer") : told.peers.join(", ")}`
    : "heard nobody";
  return h(
    "button",
    { class: "meeting-line", onclick: () => view.chooseMeeting(meeting, path.index) },
    `meeting ${meeting.index}: ${heard}`,
    told.text ? h("span", { class: `effect ${effect.name}`, title: EFFECTS[effect.name] }, effect.name) : null,
  );
}

// A text with every place of a term marked.
export function marked(text, term) {
  const element = h("p", { class: "said", dir: "auto" });
  if (!term) {
    element.append(shown(text));
    return element;
  }
  const lowered = text.toLowerCase();
  const low = lowered.length === text.length ? lowered : text; // a few letters are longer in lower case
  const wanted = term.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    element.append(shown(text.slice(from, at)), h("mark", {}, shown(text.slice(at, at + wanted.length))));
    from = at + wanted.length;
  }
  element.append(shown(text.slice(from)));
  return element;
}

// The blocks around a place; more are put in as their ends come into sight.
class Blocks {
  constructor(body, blocks, at, draw) {
    Object.assign(this, { body, blocks, draw });
    this.from = Math.max(0, at - NEAR / 2);
    this.to = Math.min(blocks.length, this.from + NEAR);
    refill(body, blocks.slice(this.from, this.to).map(draw));
  }

  // The last blocks may have grown, or have been cut since; who reads at the end stays there.
  renew(blocks) {
    const { body } = this;
    const atEnd = body.scrollTop + body.clientHeight > body.scrollHeight - 60;
    this.to = Math.max(this.from, Math.min(this.to, this.blocks.length - GROWING));
    while (body.children.length > this.to - this.from) body.lastElementChild.remove();
    this.blocks = blocks;
    this.more();
    if (atEnd) body.scrollTop = body.scrollHeight;
  }

  watch() {
    this.body.addEventListener("scroll", () => this.more(), { passive: true });
    this.more();
  }

  more() {
    const { body } = this;
    if (this.to < this.blocks.length && body.scrollTop + 2 * body.clientHeight > body.scrollHeight) {
      const to = Math.min(this.blocks.length, this.to + NEAR);
      body.append(...this.blocks.slice(this.to, to).map(this.draw));
      this.to = to;
    }
    if (this.from > 0 && body.scrollTop < body.clientHeight) {
      const from = Math.max(0, this.from - NEAR);
      const before = body.scrollHeight;
      body.prepend(...this.blocks.slice(from, this.from).map(this.draw));
      body.scrollTop += body.scrollHeight - before;
      this.from = from;
    }
  }
}
