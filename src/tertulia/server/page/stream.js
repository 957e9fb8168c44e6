// How claims spread: a thread a path, threads of one claim side by side, a thread goes over where its path changes.

import { AXIS, STREAM } from "./layout.js";
import { fitted } from "./draw.js";

const SOFT = 12; // px at most, in which a thread goes over where no gap is left for it

export function drawStream(view, until) {
  const { context: c, layout, story } = view;
  const thread = STREAM / Math.max(1, story.paths.length);
  const slices = (layout.slices ??= slicesOf(layout));
  const far = layout.x(Math.min(until, layout.total));
  c.save();
  c.beginPath();
  c.rect(view.scrollLeft, 0, far - view.scrollLeft, AXIS + STREAM + 6);
  c.clip();
  slices.forEach((slice, at) => {
    const next = slices[at + 1];
    const [x, end] = [layout.x(slice.clock), layout.x(slice.end)];
    const soft = next && next.clock === slice.end ? Math.min(SOFT, (end - x) / 2) : 0;
    const over = next ? layout.x(next.clock) : end;
    if (over < view.scrollLeft || x > view.scrollLeft + view.width) return;
    for (const run of runsOf(slice, slice)) drawRun(view, run, x, end - soft, thread);
    if (next) for (const run of runsOf(slice, next)) drawRun(view, run, end - soft, over, thread);
    drawLabels(view, slice.groups, x, end - soft, AXIS + 2, thread);
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

// From one change to the next, the row of each path's thread and the group it is of: {clock, end, rows, groups}.
// Threads of a group keep their order, so that only those cross that go over.
function slicesOf(layout) {
  const { story } = layout;
  const slices = story.board ? momentsOf(layout) : columnsOf(layout);
  let before = new Map(story.paths.map((path) => [path.index, path.index]));
  for (const slice of slices) {
    const rows = new Map();
    const order = [...before.keys()].sort((one, other) => before.get(one) - before.get(other));
    for (const [group] of sizesOf(story, slice.groups)) {
      for (const index of order) if ((slice.groups.get(index) ?? null) === group) rows.set(index, rows.size);
    }
    slice.rows = before = rows;
  }
  return slices;
}

// A path that has ended keeps its answer; one that has not come so far claims nothing there.
function columnsOf({ story, starts, widths }) {
  const groupIn = (path, at) => (at < path.groups.length ? path.groups[at] : path.over ? path.group : null);
  return starts.map((clock, at) => ({
    clock,
    end: clock + widths[at],
    groups: new Map(story.paths.map((path) => [path.index, groupIn(path, at)])),
  }));
}

// In board mode paths change one by one.
function momentsOf({ story, total }) {
  const ends = new Set([0, total]);
  for (const path of story.paths) for (const { to } of path.stretches) ends.add(Math.min(to, total));
  const clocks = [...ends].sort((one, other) => one - other);
  const groupAt = (path, clock) => {
    const stretch = path.stretches.find(({ from, to }) => from <= clock && clock < to);
    return stretch ? stretch.group : path.over ? path.group : null;
  };
  return clocks.slice(0, -1).map((clock, at) => ({
    clock,
    end: clocks[at + 1],
    groups: new Map(story.paths.map((path) => [path.index, groupAt(path, clock)])),
  }));
}

// The groups in their order, with how many paths are of each; those of no claim come last.
function sizesOf(story, groups) {
  const sizes = new Map();
  for (const group of [...story.answers.groups.values(), null]) {
    const size = [...groups.values()].filter((one) => (one ?? null) === group).length;
    if (size) sizes.set(group, size);
  }
  return sizes;
}
