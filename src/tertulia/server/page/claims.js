// Claims: which are the same, which colour they have, and what a meeting did to them.

import { objectOf, textOf } from "./story.js";

export const COLOURS = 12; // of claims, as page.css names them; more claims than that share the last one

// What a path claimed, from a record: its answer so far, and the results of steps where the model states steps.
export function claimsOf(value) {
  const claims = objectOf(value);
  const steps = new Map(Object.entries(objectOf(claims.steps)).map(([step, result]) => [step, textOf(result)]));
  const answer = claims.answer === null || claims.answer === undefined ? null : textOf(claims.answer);
  return { answer, steps, sure: typeof claims.sure === "number" ? claims.sure : null };
}

// Answers in groups of equals. `same` says which text stands for another one, as the program compared them; where it
// says nothing they are compared as plainly written texts. `right` lists the right ones; null where nobody knows.
export class Answers {
  constructor() {
    this.same = new Map();
    this.right = null;
    this.groups = new Map();
  }

  learn(same, right) {
    for (const [answer, other] of Object.entries(same)) this.same.set(answer, `${other}`);
    if (Array.isArray(right)) this.right = new Set([...(this.right ?? []), ...right]);
    return this;
  }

  // The group of an answer: {key, label, colour, right}; null for no answer.
  of(answer) {
    if (typeof answer !== "string" || answer.trim() === "") return null;
    const known = this.same.get(answer) ?? answer;
    return this.make(`=${plain(known)}`, answer, this.right ? this.right.has(answer) : null);
  }

  // The group of a path that differs from most at this step.
  astray(step, value) {
    return this.make(`${step}=${value}`, `${value} at step ${step}`, null);
  }

  make(key, label, right) {
    if (!this.groups.has(key)) {
      this.groups.set(key, { key, label, right, colour: Math.min(this.groups.size, COLOURS - 1) });
    }
    const group = this.groups.get(key);
    if (right) group.right = true;
    return group;
  }

  alike(one, other) {
    const mine = this.of(one);
    return mine !== null && mine === this.of(other);
  }
}

function plain(answer) {
  return answer
    .trim()
    .replace(/^\$+|\$+$/g, "")
    .replace(/\\(?:text|mathrm)\{([^{}]*)\}/g, "$1")
    .replace(/\\[,;!: ]/g, "")
    .replace(/(\d),(?=\d{3}(?!\d))/g, "$1")
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "")
    .replace(/\s+/g, " ")
    .toLowerCase();
}

// Gives every stretch between two meetings the group of what its path claims at the end of it.
export function groupsAt(story) {
  // The verdict first: what wins has the same colour wherever one looks.
  const won = story.answers.of(story.verdict?.answer);
  const stepwise = story.meetings.some((meeting) => [...meeting.claims.values()].some((claims) => claims.steps.size));
  const most = stepwise ? (won ?? story.answers.make("most", "as most", null)) : null;
  for (const meeting of story.meetings) {
    const votes = stepwise ? mostHeld(meeting.claims) : null;
    meeting.groups = new Map();
    for (const [path, claims] of meeting.claims) {
      meeting.groups.set(path, groupOf(story.answers, claims, votes, most));
    }
  }
  for (const path of story.paths) {
    path.groups = path.columns.map(() => null);
    for (const { column, meeting } of path.claims) path.groups[column] = meeting.groups.get(path.index) ?? null;
    const last = story.answers.of(path.last.answer);
    if (last || path.over) path.groups[path.groups.length - 1] = last;
    path.group = last ?? path.groups.findLast((group) => group) ?? null;
    path.stretches = stretchesOf(path, last);
  }
}

// What a path works towards from one meeting to the next: {column, from, to, group, label}.
function stretchesOf(path, last) {
  const stretches = [];
  let start = { column: 0, at: 0 };
  const add = (column, to, group, label) => {
    const from = column === start.column ? start.at : 0;
    stretches.push({ column, from, to, group, label });
    start = { column, at: to };
  };
  for (const { column, at, claims, meeting } of path.claims) {
    const group = meeting.groups.get(path.index) ?? null;
    add(column, at, group, claims.answer ?? group?.label ?? "");
  }
  const column = path.columns.length - 1;
  add(column, path.columns[column], last, path.last.answer ?? "");
  return stretches;
}

function groupOf(answers, claims, votes, most) {
  if (!votes || !claims.steps.size) return answers.of(claims.answer);
  for (const [step, value] of claims.steps) {
    if (votes.get(step) !== value) return answers.astray(step, value);
  }
  return most;
}

// The value that most paths have at each step.
function mostHeld(claims) {
  const counts = new Map();
  for (const { steps } of claims.values()) {
    for (const [step, value] of steps) {
      const held = counts.get(step) ?? counts.set(step, new Map()).get(step);
      held.set(value, (held.get(value) ?? 0) + 1);
    }
  }
  return new Map([...counts].map(([step, held]) => [step, [...held].reduce((a, b) => (b[1] > a[1] ? b : a))[0]]));
}

export const EFFECTS = {
  helped: "a wrong claim became right",
  harmed: "a right claim became wrong",
  influenced: "it went over to what it heard",
  moved: "it changed, to something else",
  unaffected: "it heard something else, or was to recheck, and kept its claim",
  consistent: "it had that already",
  unknown: "not known: no claim before or after",
};

// What a meeting did to a hearer, and by whom: {name, before, after, by(peer) -> name}.
export function effectOf(answers, meeting, hearer, told, after) {
  const mine = meeting.claims.get(hearer) ?? claimsOf(null);
  const step = pointOf(mine, told, after);
  const valueOf = (claims) =>
    claims === null ? null : step === null ? claims.answer : (claims.steps.get(step) ?? null);
  const alike = (one, other) => (step === null ? answers.alike(one, other) : one !== null && one === other);
  const [before, now] = [valueOf(mine), valueOf(after)];
  const right = (value) => (step === null && value !== null ? (answers.of(value)?.right ?? null) : null);
  const changed = now !== null && !alike(before, now);
  const turned = changed && before !== null && right(before) !== right(now);
  const sign = turned && answers.right ? (right(now) ? "helped" : "harmed") : null;
  const agreed = told.finding === "agree" || told.finding === "none" || !told.text;
  const by = (peer) => {
    const theirs = valueOf(meeting.claims.get(peer) ?? null);
    if (theirs !== null && alike(theirs, before)) return "consistent";
    if (agreed) return "consistent";
    if (now === null || (before === null && !alike(theirs, now))) return "unknown";
    if (!changed) return "unaffected";
    return sign ?? (alike(theirs, now) ? "influenced" : "moved");
  };
  const who = told.peers.map(by);
  const strongest = Object.keys(EFFECTS).find((effect) => who.includes(effect));
  // Where all have what the hearer had, it is what it did by itself.
  const alone = () => {
    if (now === null) return "unknown";
    if (changed && before !== null) return sign ?? "moved";
    return told.finding === "doubt" ? "unaffected" : "consistent";
  };
  const name = agreed || !who.length ? "consistent" : strongest === "consistent" ? alone() : strongest;
  return { name, before, after: now, step, by };
}

// The step at which a hearer can be compared: the marked one, else the first that it changed; null for its answer.
function pointOf(mine, told, after) {
  if (!mine.steps.size) return null;
  if (told.step !== null && told.step !== undefined) return String(told.step);
  const changed = [...mine.steps].find(([step, value]) => after?.steps.has(step) && after.steps.get(step) !== value);
  return changed ? changed[0] : [...mine.steps.keys()].at(-1);
}
