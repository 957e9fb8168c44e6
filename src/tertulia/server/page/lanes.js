// Draws the lanes: pieces by kind, claims as ribbons, and who heard whom. Only what is in sight is drawn.

import { AXIS, STREAM } from "./layout.js";
import { drawStream } from "./stream.js";
import { fitted } from "./draw.js";

const ARROWS = 160; // of one meeting; beyond that only those of a chosen path or meeting are drawn
const PULSE = 900; // ms, of a lane that is at work

export const fillOf = (theme, piece) => (piece.cut ? theme.cut : (theme.kinds[piece.kind] ?? theme.kinds.cue));

export function drawScene(view) {
  const { context: c, layout, theme, width, height, scrollLeft, scrollTop } = view;
  c.save();
  c.clearRect(0, 0, width, height);
  c.translate(-scrollLeft, -scrollTop);
  const until = view.clock === null ? Infinity : view.clock;
  clipped(c, scrollLeft + layout.left - 18, scrollTop + layout.top - 12, width, height, () => {
    drawCrossings(view, until);
    const first = Math.max(0, Math.floor((scrollTop - 10) / layout.lane));
    const last = Math.min(layout.story.paths.length, 1 + Math.ceil((scrollTop + height - layout.top) / layout.lane));
    for (let index = first; index < last; index++) drawLane(view, layout.story.paths[index], until);
    for (const meeting of layout.story.meetings) drawArrows(view, meeting, until);
    for (let index = first; index < last; index++) drawEnd(view, layout.story.paths[index], until);
    drawChosen(view);
  });
  c.restore();
  drawHead(view, until);
  drawGutter(view, until);
  drawPlayhead(view);
}

function clipped(c, x, y, width, height, draw) {
  c.save();
  c.beginPath();
  c.rect(x, y, width, height);
  c.clip();
  draw();
  c.restore();
}

function drawCrossings(view, until) {
  const { context: c, layout, theme, chosen } = view;
  if (layout.story.board) return;
  for (const meeting of layout.story.meetings) {
    const { clock, end } = layout.crossing(meeting);
    if (clock > until || outOfSight(view, clock, end)) continue;
    c.fillStyle = chosen.meeting === meeting ? theme.bandChosen : theme.band;
    c.fillRect(layout.x(clock), view.scrollTop, (end - clock) * layout.scale, view.height);
  }
}

const outOfSight = ({ layout, scrollLeft, width }, clock, end) =>
  layout.x(end) < scrollLeft || layout.x(clock) > scrollLeft + width;

function drawLane(view, path, until) {
  const { context: c, layout, theme, scrollLeft, width } = view;
  const top = layout.barTop(path.index);
  if (path.index % 2 === 1) {
    c.fillStyle = theme.stripe;
    c.fillRect(scrollLeft, layout.laneTop(path.index), width, layout.lane);
  }
  drawWaits(view, path, top + layout.bar / 2, until);
  drawRibbons(view, path, until);
  if (path.pieces[0]?.kind === "prompt") drawPrompt(view, top);
  let drawn = -1;
  for (let at = layout.firstAt(path, layout.clockAt(scrollLeft)); at < path.pieces.length; at++) {
    const piece = path.pieces[at];
    const x = layout.x(piece.clock);
    if (piece.clock > until || x > scrollLeft + width) break;
    if (piece.kind === "prompt") continue;
    const right = layout.x(Math.min(piece.end, until));
    if (piece.fork) drawFork(view, piece, x, right, top);
    else if (right >= drawn + 0.25 || piece.kind === "heard") {
      drawPiece(view, piece, x, right, top);
      drawn = right;
    }
  }
}

// A path waits for the others before a meeting; one that has ended still speaks until it was last heard.
function drawWaits({ context: c, layout, theme }, path, middle, until) {
  c.setLineDash([2, 4]);
  c.lineWidth = 1.5;
  path.columns.forEach((tokens, column) => {
    const last = column === path.columns.length - 1;
    const from = layout.clock(column, tokens);
    const to = Math.min(until, last ? path.over && path.speaks : layout.starts[column] + layout.widths[column]);
    if (to <= from) return;
    c.strokeStyle = last ? theme.colours(path.group, 0.6) : theme.kinds.thought;
    line(c, layout.x(from), middle, layout.x(to), middle);
  });
  c.setLineDash([]);
}

function drawPrompt({ context: c, layout, theme }, top) {
  c.fillStyle = theme.kinds.prompt;
  c.fillRect(layout.left - 12, top, 8, layout.bar);
}

function drawPiece({ context: c, layout, theme, found }, piece, x, right, top) {
  const wide = Math.max(right - x, piece.kind === "heard" ? 3 : 0.75);
  c.fillStyle = fillOf(theme, piece);
  c.fillRect(x, top, wide, layout.bar);
  if (piece.cut) hatch(c, x, top, wide, layout.bar, theme.ground);
  if (wide > 6) {
    c.fillStyle = theme.ground;
    c.fillRect(x, top, 1, layout.bar); // where one step ends and the next begins
  }
  if (found?.has(piece)) {
    c.fillStyle = theme.mark;
    c.fillRect(x, top - 4, Math.max(3, wide), 3);
  }
}

function drawFork({ context: c, theme, found, layout }, piece, x, right, top) {
  c.fillStyle = fillOf(theme, piece);
  const wide = Math.max(7, right - x);
  c.beginPath();
  c.moveTo(x, top);
  c.lineTo(x + 3, top - 5);
  c.lineTo(x + wide, top - 5);
  c.lineTo(x + wide, top - 1);
  c.lineTo(x + 4, top - 1);
  c.fill();
  if (found?.has(piece)) {
    c.fillStyle = theme.mark;
    c.fillRect(x, top - 9, Math.max(3, wide), 3);
  }
}

// A ribbon has the colour of what the path claims at the end of the stretch above it.
function drawRibbons({ context: c, layout, theme, scrollLeft, width }, path, until) {
  const top = layout.barTop(path.index) + layout.bar + 2;
  for (const stretch of path.stretches) {
    const [from, to] = spanOf(layout, stretch);
    const x = layout.x(from);
    const right = layout.x(Math.min(to, until));
    if (right <= x || right < scrollLeft || x > scrollLeft + width) continue;
    c.fillStyle = theme.colours(stretch.group, until >= to ? 1 : 0.55);
    c.fillRect(x, top, right - x, layout.ribbon);
    if (layout.ribbon < 12 || !stretch.group || right - x < 16) continue;
    c.font = theme.small;
    c.fillStyle = theme.onClaim;
    c.fillText(fitted(c, stretch.label, right - x - 8), x + 4, top + layout.ribbon - 3);
  }
}

// The clock at both ends of a stretch.
function spanOf(layout, { column, from, to }) {
  return [layout.clock(column, from), layout.clock(column, to)];
}

function drawArrows(view, meeting, until) {
  const { context: c, layout, theme, chosen } = view;
  const { clock, end } = layout.crossing(meeting);
  const told = meeting.arrows;
  const near = chosen.meeting === meeting || told.length <= ARROWS;
  if (clock > until || (!near && chosen.path === null)) return;
  if (!layout.story.board && outOfSight(view, clock, end)) return;
  const done = until >= end ? 1 : (until - clock) / Math.max(1e-9, end - clock);
  for (const arrow of told) {
    const mine = chosen.path !== null && (chosen.path === arrow.hearer || chosen.path === arrow.peer);
    if (!near && !mine) continue;
    const faint = arrow.effect === "consistent" || arrow.effect === "unknown";
    const crowded = told.length > 24 || (layout.story.board && layout.story.meetings.length > 16);
    c.globalAlpha = faint
      ? mine
        ? 0.5
        : crowded
          ? 0.12
          : 0.3
      : chosen.path === null || mine
        ? crowded
          ? 0.75
          : 0.95
        : 0.35;
    c.strokeStyle = c.fillStyle = theme.effects[arrow.effect];
    c.lineWidth = faint ? 1 : crowded ? 1.4 : 2;
    drawArrow(c, ...endsOf(layout, arrow), done, !faint);
  }
  c.globalAlpha = 1;
}

function endsOf(layout, { peer, hearer, meeting }) {
  const { clock, end } = layout.crossing(meeting, hearer);
  const from = layout.story.board ? layout.momentOf(meeting, peer) : clock;
  const middle = layout.bar / 2;
  return [layout.x(from), layout.barTop(peer) + middle, layout.x(end), layout.barTop(hearer) + middle];
}

function drawArrow(c, x, y, right, down, done, head) {
  const bend = Math.max(14, (right - x) * 0.6);
  c.beginPath();
  c.moveTo(x, y);
  if (done < 1) c.setLineDash([done * (Math.abs(down - y) + right - x) * 1.1, 1e5]);
  c.bezierCurveTo(x + bend, y, right - bend, down, right - (head ? 4 : 0), down);
  c.stroke();
  c.setLineDash([]);
  if (!head) return;
  c.beginPath();
  c.arc(x, y, 2.5, 0, 7);
  c.fill();
  if (done < 1) return;
  c.beginPath();
  c.moveTo(right + 1, down);
  c.lineTo(right - 7, down - 4);
  c.lineTo(right - 7, down + 4);
  c.fill();
}

function drawEnd({ context: c, layout, theme, story }, path, until) {
  if (!path.over || path.end > until) return;
  const middle = layout.barTop(path.index) + layout.bar / 2;
  const x = layout.x(path.speaks) + 8;
  c.font = theme.strong;
  c.textBaseline = "middle";
  const said = path.place === "finished" ? (path.answer ?? story.without) : path.place;
  const sign = path.group?.right === true ? " ✓" : path.group?.right === false && path.answer !== null ? " ✗" : "";
  c.fillStyle = path.answer === null ? theme.faint : theme.inkOf(path.group);
  c.fillText(fitted(c, said, 64) + sign, x, middle + 1);
  c.textBaseline = "alphabetic";
}

function drawChosen(view) {
  const { context: c, layout, theme, chosen } = view;
  if (!chosen.piece) return;
  const { clock, end } = chosen.piece;
  const top = layout.barTop(chosen.piece.path);
  const prompt = chosen.piece.kind === "prompt";
  const x = prompt ? layout.left - 12 : layout.x(clock);
  const wide = prompt ? 8 : Math.max(chosen.piece.fork ? 7 : 2, (end - clock) * layout.scale);
  c.strokeStyle = theme.focus;
  c.lineWidth = 2;
  if (chosen.piece.fork) c.strokeRect(x - 1, top - 7, wide + 2, 8);
  else c.strokeRect(x - 1.5, top - 2.5, wide + 3, layout.bar + 5);
}

// The head stays where it is when one scrolls down: marks of meetings, and how claims spread.
function drawHead(view, until) {
  const { context: c, layout, theme, width, scrollLeft } = view;
  c.fillStyle = theme.ground;
  c.fillRect(0, 0, width, AXIS + STREAM + 6);
  c.save();
  c.translate(-scrollLeft, 0);
  clipped(c, scrollLeft + layout.left - 18, 0, width, AXIS + STREAM + 6, () => {
    drawStream(view, until);
    drawMarks(view, until);
  });
  c.restore();
}

function drawMarks({ context: c, layout, theme, chosen }, until) {
  c.font = theme.small;
  c.textAlign = "center";
  let free = -Infinity;
  for (const meeting of layout.story.meetings) {
    const { clock, end } = layout.crossing(meeting);
    if (clock > until) continue;
    const x = layout.x((clock + end) / 2);
    const label = layout.story.board ? "" : `meeting ${meeting.index}`;
    const wide = c.measureText(label).width + 12;
    const words = label && x - wide / 2 > free;
    c.fillStyle = chosen.meeting === meeting ? theme.focus : theme.faint;
    if (words) {
      c.fillText(label, x, 13);
      free = x + wide / 2;
    }
    c.beginPath();
    c.arc(x, 20, words ? 3 : 2, 0, 7);
    c.fill();
  }
  c.textAlign = "left";
}

function drawGutter(view, until) {
  const { context: c, layout, theme, height, scrollTop } = view;
  c.fillStyle = theme.ground;
  c.fillRect(0, 0, layout.left - 18, height);
  c.font = theme.small;
  c.fillStyle = theme.faint;
  c.fillText("claims", 12, AXIS + STREAM / 2 + 3);
  c.save();
  c.beginPath();
  c.rect(0, AXIS + STREAM + 6, layout.left, height);
  c.clip();
  for (const path of layout.story.paths) {
    const top = layout.laneTop(path.index) - scrollTop;
    if (top + layout.lane < 0 || top > height) continue;
    drawName(view, path, top, until);
  }
  c.restore();
}

function drawName({ context: c, layout, theme, story, chosen, live }, path, top, until) {
  const middle = top + layout.lane / 2;
  const done = layout.doneBy(path, until);
  c.fillStyle = theme.colours(groupBy(layout, path, until), 1);
  c.beginPath();
  c.arc(16, middle, 4, 0, 7);
  c.fill();
  if (live && !path.over && path.place !== "waiting") {
    const beat = (performance.now() % PULSE) / PULSE;
    c.globalAlpha = 1 - beat;
    c.strokeStyle = theme.focus;
    c.lineWidth = 1.5;
    c.beginPath();
    c.arc(16, middle, 4 + 6 * beat, 0, 7);
    c.stroke();
    c.globalAlpha = 1;
  }
  c.font = chosen.path === path.index ? theme.strong : theme.plain;
  c.fillStyle = theme.ink;
  const short = layout.left < 100;
  c.fillText(short ? `${path.index}` : `path ${path.index}`, 28, layout.lane >= 40 ? middle - 1 : middle + 4);
  if (layout.lane < 40) return;
  c.font = theme.small;
  c.fillStyle = theme.faint;
  c.fillText(short ? count(done) : `${count(done)} tokens`, 28, middle + 12);
  if (!story.budget) return;
  const [x, wide] = [28, layout.left - 28 - 30];
  c.fillStyle = theme.stripe;
  c.fillRect(x, middle + 16, wide, 2);
  c.fillStyle = theme.faint;
  c.fillRect(x, middle + 16, wide * Math.min(1, done / story.budget), 2);
}

const count = (number) => Math.round(number).toLocaleString("en");

// What a path claims at this moment, as far as it has said so.
export function groupBy(layout, path, until) {
  if (until >= path.end) return path.group;
  const said = path.stretches.findLast((stretch) => stretch.group && spanOf(layout, stretch)[1] <= until);
  if (said) return said.group;
  return null;
}

function drawPlayhead({ context: c, layout, theme, clock, scrollLeft, height }) {
  if (clock === null) return;
  const x = layout.x(clock) - scrollLeft;
  if (x < layout.left - 2) return;
  c.strokeStyle = theme.focus;
  c.lineWidth = 1.5;
  line(c, x, 0, x, height);
}

function line(c, x, y, right, down) {
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(right, down);
  c.stroke();
}

function hatch(c, x, y, wide, high, colour) {
  c.save();
  c.beginPath();
  c.rect(x, y, wide, high);
  c.clip();
  c.strokeStyle = colour;
  c.lineWidth = 1.5;
  for (let at = x - high; at < x + wide; at += 5) line(c, at, y + high, at + high, y);
  c.restore();
}
