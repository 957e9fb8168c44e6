// What a journal tells, as a page needs it: paths, their pieces, meetings, claims and what each meeting did.
// A record may be of anybody: whatever is no number, text or list of the right form is left out, and nothing throws.

import { Answers, claimsOf, effectOf, groupsAt } from "./claims.js";

const MOST_PATHS = 4096;
const STRENGTH = ["unknown", "consistent", "unaffected", "moved", "influenced", "harmed", "helped"]; // last is on top

export const ENDS = new Set(["finished", "stopped", "failed"]);
export const OWN = new Set(["thought", "summary", "answer"]);

export const whole = (value, otherwise = 0) => (Number.isSafeInteger(value) && value >= 0 ? value : otherwise);
export const listOf = (value) => (Array.isArray(value) ? value : []);
export const objectOf = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
export const textOf = (value) =>
  typeof value === "string" ? value : ["number", "boolean"].includes(typeof value) ? `${value}` : "";

// One circle: `told` has name, header, records; perhaps `same` and `right`, which the program worked out for answers.
// `arriving` are tokens that have come and are in no record yet, by path: {count, text}. Circles that are set side by
// side share their answers, and so the colours of these.
export function tell(told, arriving = new Map(), answers = new Answers()) {
  const header = objectOf(told.header);
  const settings = objectOf(header.settings);
  const story = {
    name: textOf(told.name),
    header,
    settings,
    question: textOf(header.question),
    model: textOf(header.model),
    board: settings.mode === "board",
    budget: whole(settings.budget),
    without: settings.answer_kind === "free" ? "free form" : "no answer", // where a path has no short answer
    paths: [],
    meetings: [],
    verdict: null,
    answers: answers.learn(objectOf(told.same), told.right),
  };
  const count = Math.min(whole(settings.paths), MOST_PATHS);
  while (story.paths.length < count) story.paths.push(newPath(story.paths.length));
  for (const record of listOf(told.records)) take(story, objectOf(record));
  for (const [index, came] of arriving) arrive(story, index, came);
  if (!story.question) story.question = promptOf(story);
  finish(story);
  return story;
}

function newPath(index) {
  return {
    index,
    place: "waiting",
    pieces: [],
    columns: [0], // tokens that each column of this path holds
    column: 0,
    held: null,
    generated: 0,
    injected: 0,
    discarded: 0,
    forked: 0,
    answer: null,
    error: "",
    led: false,
    claims: [], // what it claimed at meetings: {column, at, claims, meeting}, in order
    asked: null,
    lastHeard: null, // the last meeting at which somebody heard it
  };
}

function take(story, record) {
  if (record.kind === "meeting") meet(story, record);
  else if (record.kind === "verdict") story.verdict = verdictOf(record);
  else if ("place" in record) step(story, record);
}

function verdictOf(record) {
  const answer = typeof record.answer === "string" ? record.answer : null;
  return { answer, note: textOf(record.note), settled: record.settled === true };
}

function pathOf(story, index) {
  if (!Number.isSafeInteger(index) || index < 0 || index >= MOST_PATHS) return null;
  while (story.paths.length <= index) story.paths.push(newPath(story.paths.length));
  return story.paths[index];
}

// The same as the program does with a step: what was held is kept or cut, then what is new joins the path.
function step(story, record) {
  const path = pathOf(story, record.path);
  if (!path) return;
  path.place = textOf(record.place);
  if (path.held && record.release) {
    if (record.release === "discard") cut(path, path.held);
    path.held = null;
  }
  for (const span of listOf(record.spans)) add(path, record, objectOf(span));
  if (record.held) {
    path.held = add(path, record, objectOf(record.held));
  }
  if (record.fork) {
    const piece = add(path, record, objectOf(record.fork), { fork: true });
    piece.says = record.kind === "asked" ? textOf(record.claim) : "";
    path.forked += piece.count;
  }
  if ("answer" in record) path.answer = record.answer === null ? null : textOf(record.answer);
  if (record.kind === "failed") path.error = textOf(record.error);
  if (record.led) path.led = true;
  if (record.kind === "asked" && record.claim) {
    path.asked = textOf(record.claim);
  }
}

function add(path, record, span, { fork = false } = {}) {
  const ids = listOf(span.ids);
  const piece = {
    path: path.index,
    kind: fork ? textOf(record.kind) : textOf(span.kind),
    text: textOf(span.text),
    ids,
    count: whole(span.count, ids.length),
    key: textOf(record.key),
    record,
    fork,
    cut: false,
    column: path.column,
    at: path.columns[path.column],
    seq: path.pieces.length,
    own: false, // whether the model wrote it in this run
  };
  if (piece.kind === "prompt") piece.at = -1;
  else if (!fork) path.columns[path.column] += piece.count;
  const begun = record.kind === "prompt"; // a beginning that a thought was given is not its own
  if (piece.kind !== "prompt") {
    piece.own = (fork || OWN.has(piece.kind)) && !begun;
    if (piece.own) path.generated += piece.count;
    else path.injected += piece.count;
  }
  path.pieces.push(piece);
  return piece;
}

function cut(path, piece) {
  piece.cut = true;
  path.discarded += piece.count;
}

function arrive(story, index, came) {
  const path = pathOf(story, index);
  if (!path || !came.count || ENDS.has(path.place)) return;
  const record = { kind: "thought", key: "", place: path.place };
  const kind = OWN.has(came.of) ? came.of : "thought";
  const piece = add(path, record, { kind, text: came.text, ids: [], count: came.count });
  piece.arriving = true;
}

function meet(story, record) {
  const meeting = {
    record,
    number: story.meetings.length,
    index: whole(record.index),
    claims: new Map(),
    heard: new Map(),
    column: 0,
    moments: new Map(), // where each path stands at this moment: {column, at}
    arrows: [],
    effects: new Map(),
  };
  for (const [name, claims] of Object.entries(objectOf(record.claims))) {
    const path = pathOf(story, Number(name));
    if (path) meeting.claims.set(path.index, claimsOf(claims));
  }
  for (const [name, told] of Object.entries(objectOf(record.heard))) {
    const path = pathOf(story, Number(name));
    if (!path) continue;
    const what = objectOf(told);
    const peers = [...new Set(listOf(what.peers))].filter((peer) => pathOf(story, peer));
    meeting.heard.set(path.index, { ...what, text: textOf(what.text), finding: textOf(what.finding), peers });
  }
  for (const path of story.paths)
    meeting.moments.set(path.index, { column: path.column, at: path.columns[path.column] });
  meeting.column = Math.max(0, ...[...meeting.heard.keys()].map((index) => story.paths[index].column));
  for (const index of meeting.heard.keys()) {
    const path = story.paths[index];
    const at = path.columns[path.column];
    path.claims.push({ column: path.column, at, claims: meeting.claims.get(index) ?? claimsOf(null), meeting });
    if (story.board) continue;
    path.column = meeting.column + 1;
    while (path.columns.length <= path.column) path.columns.push(0);
  }
  story.meetings.push(meeting);
}

// What is known only when all has been read: last claims, groups, effects, arrows.
function finish(story) {
  // Of a circle that is over, paths that were never begun are none.
  while (story.verdict && story.paths.at(-1)?.place === "waiting") story.paths.pop();
  for (const path of story.paths) {
    const answer = path.answer ?? (ENDS.has(path.place) ? null : path.asked);
    path.last = claimsOf(answer === null ? null : { answer });
    path.over = ENDS.has(path.place);
  }
  story.columns = story.board ? 1 : 1 + Math.max(0, ...story.paths.map((path) => path.column));
  groupsAt(story);
  for (const meeting of story.meetings) {
    for (const [hearer, told] of meeting.heard) {
      const after = claimsAfter(story, meeting, hearer);
      const effect = effectOf(story.answers, meeting, hearer, told, after);
      meeting.effects.set(hearer, effect);
      for (const peer of told.peers) {
        if (peer === hearer) continue;
        meeting.arrows.push({ peer, hearer, meeting, effect: effect.by(peer) });
        story.paths[peer].lastHeard = meeting;
      }
    }
    meeting.arrows.sort((one, other) => STRENGTH.indexOf(one.effect) - STRENGTH.indexOf(other.effect));
  }
}

// What a path claims next: at the next meeting that it comes to, else at its end; null where it came to neither.
function claimsAfter(story, meeting, hearer) {
  for (const later of story.meetings.slice(meeting.number + 1)) {
    const there = later.heard.has(hearer) || (!story.board && story.paths[hearer].over);
    if (there && later.claims.has(hearer)) return later.claims.get(hearer);
  }
  const path = story.paths[hearer];
  return path.place === "finished" ? path.last : null;
}

function promptOf(story) {
  for (const path of story.paths) {
    const prompt = path.pieces.find((piece) => piece.kind === "prompt");
    if (prompt) return prompt.text;
  }
  return "";
}

export function totals(story) {
  const sum = { generated: 0, injected: 0, discarded: 0, forked: 0 };
  for (const path of story.paths) for (const name of Object.keys(sum)) sum[name] += path[name];
  return sum;
}
