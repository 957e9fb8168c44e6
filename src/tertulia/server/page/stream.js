// How claims spread: a thread a path, threads of one claim side by side, a thread goes over where its path changes.

import { AXIS, STREAM } from "./layout.js";
import { fitted } from "./draw.js";

export function drawStream(view, until) {
  const { context: c, layout, story } = view;
  const thread = STREAM / Math.max(1, story.paths.length);
  const columns = placesOf(story);
  const far = layout.x(Math.min(until, layout.total));
  c.save();
  c.beginPath();
  c.rect(view.scrollLeft, 0, far - view.scrollLeft, AXIS + STREAM + 6);
  c.clip();
  columns.forEach((column, at) => {
    const x = layout.x(layout.starts[at]);
    const right = x + layout.widths[at] * layout.scale;
    for (const run of runsOf(column, column)) drawRun(view, run, x, right, thread);
    const next = columns[at + 1];
    if (next)
      for (const run of runsOf(column, next)) drawRun(view, run, right, layout.x(layout.starts[at + 1]), thread);
    drawLabels(view, column.groups, x, right, AXIS + 2, thread);
  });
  c.restore();
}

// Threads that lie side by side before and after, of one claim before and of one after: {row, to, size, before, after}.
function runsOf(column, next) {
  const runs = [];
  for (const [index, row] of [...column.rows].sort((one, other) => one[1] - other[1])) {
    const [before, after] = [column.groups.get(index) ?? null, next.groups.get(index) ?? null];
    const to = next.rows.get(index);
    const last = runs.at(-1);
    const joins = last && last.before === before && last.after === after && last.to + last.size === to;
    if (joins) last.size += 1;
    else runs.push({ row, to, size: 1, before, after });
  }
  return runs;
}

function drawRun({ context: c, theme }, { row, to, size, before, after }, x, right, thread) {
  const [y, down] = [AXIS + 2 + row * thread, AXIS + 2 + to * thread];
  if (before === after) c.fillStyle = theme.colours(before, 1);
  else {
    const fade = c.createLinearGradient(x, 0, right, 0);
    fade.addColorStop(0, theme.colours(before, 1));
    fade.addColorStop(1, theme.colours(after, 1));
    c.fillStyle = fade;
  }
  const [middle, thick] = [(x + right) / 2, size * thread];
  c.beginPath();
  c.moveTo(x, y);
  c.bezierCurveTo(middle, y, middle, down, right + 0.5, down);
  c.lineTo(right + 0.5, down + thick);
  c.bezierCurveTo(middle, down + thick, middle, y + thick, x, y + thick);
  c.fill();
}

function drawLabels({ context: c, theme, story }, groups, x, right, top, thread) {
  let row = 0;
  c.font = theme.small;
  for (const [group, size] of sizesOf(story, groups)) {
    const middle = top + (row + size / 2) * thread;
    row += size;
    if (group === null || size * thread < 12 || right - x < 24) continue;
    c.fillStyle = theme.onClaim;
    c.fillText(fitted(c, `${group.label} (${size})`, right - x - 10), x + 6, middle + 4);
  }
}

// For each column the row of each path's thread, and the group it is of. Threads of a group keep their order, so that
// only those cross that go over.
function placesOf(story) {
  let before = new Map(story.paths.map((path) => [path.index, path.index]));
  return Array.from({ length: story.columns }, (_, column) => {
    const groups = new Map(story.paths.map((path) => [path.index, groupIn(path, column)]));
    const rows = new Map();
    const order = [...before.keys()].sort((one, other) => before.get(one) - before.get(other));
    for (const [group] of sizesOf(story, groups)) {
      for (const index of order) if ((groups.get(index) ?? null) === group) rows.set(index, rows.size);
    }
    before = rows;
    return { rows, groups };
  });
}

// A path that has ended keeps its answer; one that has not come so far claims nothing there.
const groupIn = (path, column) => (column < path.groups.length ? path.groups[column] : path.over ? path.group : null);

// The groups in their order, with how many paths are of each; those of no claim come last.
function sizesOf(story, groups) {
  const sizes = new Map();
  for (const group of [...story.answers.groups.values(), null]) {
    const size = [...groups.values()].filter((one) => (one ?? null) === group).length;
    if (size) sizes.set(group, size);
  }
  return sizes;
}
