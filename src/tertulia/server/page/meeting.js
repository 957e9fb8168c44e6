// A meeting: claims side by side, how alike the thoughts were, what was told to each and what it did.

import { EFFECTS } from "./claims.js";
import { bring, chip, counted, cutTo, h, number, refill, said } from "./dom.js";
import { OWN } from "./story.js";

const COMPARED = 4000; // characters of a thought, from its end
const MATRIX = 24; // paths at most that are compared

export function openMeeting(panel, view, meeting, path = null) {
  const { story } = view;
  const claims = [...meeting.claims.keys()].sort((one, other) => one - other);
  const counts = new Map();
  for (const effect of meeting.effects.values()) counts.set(effect.name, (counts.get(effect.name) ?? 0) + 1);
  const told = [...meeting.heard.values()].filter((what) => what.text).length;
  refill(
    panel,
    h(
      "header",
      { class: "panel-head" },
      h("div", {}, h("h3", {}, `Meeting ${meeting.index}`), h("p", { class: "faint" }, summary(meeting, told))),
      h("span", { class: "tools" }, view.closer()),
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0" },
      h(
        "div",
        { class: "cards" },
        claims.map((index) => card(view, meeting, story.paths[index], index === path)),
      ),
      matrix(story, meeting, claims),
    ),
  );
  bring(panel.querySelector(".scroll"), panel.querySelector(".card[aria-current]"));
}

function summary(meeting, told) {
  const were = told === 1 ? "was" : "were";
  return `${counted(meeting.heard.size, "path")} came, ${number(told)} of them ${were} told something`;
}

function card(view, meeting, path, current) {
  const claims = meeting.claims.get(path.index);
  const told = meeting.heard.get(path.index);
  const effect = meeting.effects.get(path.index);
  const steps = [...claims.steps].map(([step, value]) => `${step}=${value}`).join("  ");
  const sure = claims.sure === null ? "" : ` sure ${Math.round(100 * claims.sure)} %`;
  return h(
    "article",
    { class: "card", "aria-current": current ? "true" : null },
    h(
      "h4",
      {},
      h("button", { class: "link", onclick: () => view.choosePath(path.index) }, `Path ${path.index}`),
      chip(meeting.groups.get(path.index), claims.answer),
      h("span", { class: "faint" }, sure),
      told?.text ? outcome(view, effect, path) : null,
    ),
    steps ? h("p", { class: "steps" }, said(cutTo(steps, 400))) : null,
    told ? h("p", { class: "faint" }, heardLine(told)) : h("p", { class: "faint" }, "had ended, and is still heard"),
    told?.text ? h("blockquote", {}, said(told.text)) : null,
    typeof told?.skipped === "string" ? h("p", { class: "faint" }, said(told.skipped)) : null,
  );
}

function outcome({ story }, effect, path) {
  const group = effect.step === null ? story.answers.of(effect.after) : null;
  const after = effect.after !== null && effect.after !== effect.before ? effect.after : null;
  const where = effect.step === null ? "" : ` at step ${cutTo(effect.step, 12)}`;
  return h(
    "span",
    { class: "outcome" },
    after !== null ? ["→ ", effect.step === null ? chip(group, after) : said(cutTo(after, 60))] : null,
    h("span", { class: `effect ${effect.name}`, title: EFFECTS[effect.name] }, `${effect.name}${where}`),
  );
}

function heardLine(told) {
  const whom = !told.peers.length
    ? "heard nobody"
    : `heard ${told.peers.length > 8 ? counted(told.peers.length, "peer") : `path ${told.peers.join(", ")}`}`;
  const finding = {
    differ: "they differ",
    agree: "they agree",
    none: "nobody has a claim",
    doubt: "they agree, and it is to recheck",
  };
  return [whom, finding[told.finding] ?? "", told.lie === true ? "a made-up difference" : ""]
    .filter(Boolean)
    .join(" · ");
}

// How alike the last stretches of thought before the meeting are, from 0 to 1: cosine of their counts of three letters.
function matrix(story, meeting, claims) {
  const paths = claims.slice(0, MATRIX).map((index) => story.paths[index]);
  if (paths.length < 2) return null;
  const profiles = paths.map((path) => profileOf(thoughtBefore(path, meeting)));
  const head = h(
    "tr",
    {},
    h("td", { class: "corner" }),
    paths.map((path) => h("th", { scope: "col" }, String(path.index))),
  );
  const rows = paths.map((path, row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, String(path.index)),
      paths.map((_, column) => cell(row === column ? null : cosine(profiles[row], profiles[column]))),
    ),
  );
  return h(
    "details",
    { open: true },
    h("summary", {}, "How alike their thoughts were"),
    h(
      "table",
      { class: "matrix" },
      h("caption", { class: "faint" }, "Cosine of letter triples of the thought before this meeting, in %"),
      head,
      rows,
    ),
  );
}

function cell(value) {
  if (value === null) return h("td", { class: "self" });
  const percent = Math.round(100 * value);
  return h("td", { style: { "--alike": `${percent}%` } }, String(percent));
}

function thoughtBefore(path, meeting) {
  const moment = meeting.moments.get(path.index) ?? { column: 0, at: 0 };
  let text = "";
  for (let at = path.pieces.length - 1; at >= 0 && text.length < COMPARED; at--) {
    const piece = path.pieces[at];
    const before = piece.column < moment.column || (piece.column === moment.column && piece.at < moment.at);
    if (before && OWN.has(piece.kind) && !piece.fork) text = piece.text + text;
  }
  return text.slice(-COMPARED);
}

function profileOf(text) {
  const counts = new Map();
  for (let at = 0; at + 3 <= text.length; at++) {
    const three = text.slice(at, at + 3).toLowerCase();
    counts.set(three, (counts.get(three) ?? 0) + 1);
  }
  return counts;
}

function cosine(one, other) {
  let both = 0;
  for (const [three, times] of one) both += times * (other.get(three) ?? 0);
  const length = (counts) => Math.sqrt([...counts.values()].reduce((sum, times) => sum + times * times, 0));
  return both ? both / (length(one) * length(other)) : 0;
}
