// How claims spread: a thread a path, threads of one claim side by side, a thread goes over where its path changes.

import { AXIS, STREAM } from "./layout.js";
import { fitted } from "./draw.js";

export function drawStream(view, until) {
  const { context: c, layout, theme, story } = view;
  const thread = STREAM / Math.max(1, story.paths.length);
  const columns = placesOf(story);
  const top = AXIS + 2;
  const far = layout.x(Math.min(until, layout.total));
  c.save();
  c.beginPath();
  c.rect(view.scrollLeft, 0, far - view.scrollLeft, AXIS + STREAM + 6);
  c.clip();
  columns.forEach(({ rows, groups }, column) => {
    const x = layout.x(layout.starts[column]);
    const right = x + layout.widths[column] * layout.scale;
    const next = columns[column + 1];
    for (const path of story.paths) {
      const y = top + rows.get(path.index) * thread;
      c.fillStyle = theme.colours(groups.get(path.index), 1);
      c.fillRect(x, y, right - x + 0.5, thread + 0.3);
      if (!next) continue;
      const over = layout.x(layout.starts[column + 1]);
      drawThread(view, path, right, y, over, top + next.rows.get(path.index) * thread, thread, [groups, next.groups]);
    }
    drawLabels(view, groups, x, right, top, thread);
  });
  c.restore();
}

function drawThread({ context: c, theme }, path, x, y, right, down, thread, [groups, next]) {
  const [before, after] = [groups.get(path.index), next.get(path.index)];
  if (before === after) c.fillStyle = theme.colours(before, 0.75);
  else {
    const fade = c.createLinearGradient(x, 0, right, 0);
    fade.addColorStop(0, theme.colours(before, 0.75));
    fade.addColorStop(1, theme.colours(after, 0.75));
    c.fillStyle = fade;
  }
  const middle = (x + right) / 2;
  c.beginPath();
  c.moveTo(x, y);
  c.bezierCurveTo(middle, y, middle, down, right, down);
  c.lineTo(right, down + thread + 0.3);
  c.bezierCurveTo(middle, down + thread, middle, y + thread, x, y + thread + 0.3);
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
