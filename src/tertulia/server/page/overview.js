// What stands beside the lanes until one chooses something: the verdict, the votes, the tokens, and a table of the
// paths, which says in words what the lanes show.

import { EFFECTS } from "./claims.js";
import { chip, counted, h, number, refill, said } from "./dom.js";
import { totals } from "./story.js";

const LINES = 400; // lines of the table of meetings

export function openOverview(panel, view) {
  const { story } = view;
  const again = keeping(panel);
  refill(
    panel,
    h(
      "header",
      { class: "panel-head" },
      h("div", {}, h("h3", {}, "The circle"), h("p", { class: "faint" }, said(state(story)))),
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0" },
      votes(story),
      tokens(story),
      effects(story),
      table(view),
      meetings(view),
    ),
  );
  again();
}

// Where one was in a panel that is about to be filled again: what is returned goes back there.
function keeping(panel) {
  const reached = () => [...panel.querySelectorAll("button, summary, [tabindex]")];
  const top = panel.querySelector(".scroll")?.scrollTop ?? 0;
  const open = panel.querySelector(".hearings")?.open ?? false;
  const at = reached().indexOf(document.activeElement);
  return () => {
    panel.querySelector(".hearings")?.toggleAttribute("open", open);
    panel.querySelector(".scroll").scrollTop = top;
    if (at >= 0) reached()[at]?.focus({ preventScroll: true });
  };
}

export function state(story) {
  if (story.verdict) {
    const { note, settled } = story.verdict;
    return ["over", counted(story.meetings.length, "meeting"), settled ? "settled early" : "", note]
      .filter(Boolean)
      .join(" · ");
  }
  const ended = story.paths.filter((path) => path.over).length;
  return `no verdict yet: ${ended} of ${counted(story.paths.length, "path")} have ended`;
}

// Votes as they were counted; until then what paths claim now.
function votes(story) {
  const held = new Map();
  for (const path of story.paths) held.set(path.group, (held.get(path.group) ?? 0) + 1);
  const order = [...held].sort((one, other) => other[1] - one[1]);
  return h(
    "section",
    { class: "votes" },
    h("h4", {}, story.verdict ? "Answers" : "Claims so far"),
    h(
      "ul",
      {},
      order.map(([group, size]) => bar(story, group, size)),
    ),
  );
}

function bar(story, group, size) {
  const share = size / Math.max(1, story.paths.length);
  const colour = group ? `var(--claim-${group.colour})` : "var(--no-claim)";
  const won = group !== null && story.verdict && story.answers.of(story.verdict.answer) === group;
  return h(
    "li",
    { class: won ? "won" : null },
    chip(group, group ? null : story.without),
    h("span", { class: "bar" }, h("i", { style: { width: `${100 * share}%`, background: colour } })),
    h("span", { class: "size" }, String(size)),
  );
}

function tokens(story) {
  const sum = totals(story);
  const of = story.budget ? ` of ${number(story.budget * story.paths.length)}` : "";
  return h(
    "dl",
    { class: "tokens" },
    h("div", {}, h("dt", {}, "generated"), h("dd", {}, `${number(sum.generated)}${of}`)),
    h("div", {}, h("dt", {}, "put in"), h("dd", {}, number(sum.injected))),
    h("div", {}, h("dt", {}, "aside"), h("dd", {}, number(sum.forked))),
    h("div", {}, h("dt", {}, "cut"), h("dd", {}, number(sum.discarded))),
  );
}

// What meetings did to those that were told something.
function effects(story) {
  const counts = new Map();
  for (const meeting of story.meetings) {
    for (const [hearer, told] of meeting.heard) {
      const { name } = meeting.effects.get(hearer);
      if (told.text) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  if (!counts.size) return null;
  const shown = Object.keys(EFFECTS).filter((name) => counts.has(name));
  const line = (name) =>
    h("li", {}, h("span", { class: `effect ${name}` }, `${name} ${counts.get(name)}`), ` ${EFFECTS[name]}`);
  return h("section", {}, h("h4", {}, "What was told, and what it did"), h("ul", { class: "plain" }, shown.map(line)));
}

function table(view) {
  const { story } = view;
  const head = ["Path", "Answer", "Tokens", "Heard", "Stands"].map((name) => h("th", { scope: "col" }, name));
  return h(
    "table",
    { class: "paths" },
    h("caption", {}, "Paths"),
    h("thead", {}, h("tr", {}, head)),
    h(
      "tbody",
      {},
      story.paths.map((path) => row(view, path)),
    ),
  );
}

function row(view, path) {
  const heard = path.claims.filter(({ meeting }) => meeting.heard.get(path.index).text);
  const whom = [...new Set(heard.flatMap(({ meeting }) => meeting.heard.get(path.index).peers))].sort((a, b) => a - b);
  const place = path.place === "failed" && path.error ? `failed: ${path.error}` : path.place;
  return h(
    "tr",
    {},
    h(
      "th",
      { scope: "row" },
      h("button", { class: "link", onclick: () => view.choosePath(path.index) }, `Path ${path.index}`),
    ),
    h("td", {}, chip(path.group, path.answer ?? (path.over ? view.story.without : null))),
    h("td", { class: "count" }, number(path.generated)),
    h("td", {}, whom.length > 4 ? counted(whom.length, "path") : whom.join(", ") || "nobody"),
    h("td", { class: "place" }, said(path.led ? `${place}, led` : place)),
  );
}

// Who heard whom, in words.
function meetings(view) {
  const rows = [];
  for (const meeting of view.story.meetings) {
    for (const [hearer, told] of meeting.heard) if (told.peers.length) rows.push(hearing(view, meeting, hearer, told));
  }
  if (!rows.length) return null;
  const head = ["Meeting", "Path", "Heard", "Was"].map((name) => h("th", { scope: "col" }, name));
  return h(
    "details",
    { class: "hearings" },
    h("summary", {}, "Who heard whom"),
    h("table", { class: "paths" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.slice(0, LINES))),
    rows.length > LINES ? h("p", { class: "faint" }, `and ${counted(rows.length - LINES, "more line")}`) : null,
  );
}

function hearing(view, meeting, hearer, told) {
  const open = h(
    "button",
    { class: "link", onclick: () => view.chooseMeeting(meeting, hearer) },
    String(meeting.index),
  );
  const { name } = meeting.effects.get(hearer);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, open),
    h("td", {}, String(hearer)),
    h("td", {}, told.peers.join(", ")),
    h("td", {}, name),
  );
}
