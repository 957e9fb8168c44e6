// Keys: along a path and from one to another, and what else is done without a mouse.

const ZOOMED = 1.5; // times, by one key or button

export const zoomIn = (view) => view.zoom(ZOOMED);
export const zoomOut = (view) => view.zoom(1 / ZOOMED);
export const zoomAll = (view) => view.zoom(0);

const ACTS = {
  ArrowRight: (view) => along(view, 1),
  ArrowLeft: (view) => along(view, -1),
  ArrowDown: (view) => across(view, 1),
  ArrowUp: (view) => across(view, -1),
  Enter: openChosen,
  " ": (view) => view.toggle(),
  Escape: (view) => view.close(),
  "+": zoomIn,
  "-": zoomOut,
  0: zoomAll,
};

export function pressed(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(ACTS, event.key)) return;
  event.preventDefault();
  ACTS[event.key](view);
}

// What one passes on a lane, in order: its pieces, and the meetings that it came to.
function stopsOf({ story, layout }, index) {
  const path = story.paths[index];
  const stops = (path?.pieces ?? []).map((piece) => ({ piece, clock: piece.kind === "prompt" ? -1 : piece.clock }));
  for (const { meeting } of path?.claims ?? []) stops.push({ meeting, clock: layout.crossing(meeting, index).clock });
  return stops.sort((one, other) => one.clock - other.clock);
}

function placeOf(view) {
  const { piece, meeting, path } = view.chosen;
  const index = path ?? 0;
  const stops = stopsOf(view, index);
  const at = stops.findIndex((stop) => (piece ? stop.piece === piece : stop.meeting && stop.meeting === meeting));
  return { index, stops, at };
}

function along(view, by) {
  const { index, stops, at } = placeOf(view);
  stopAt(view, stops[Math.min(Math.max(at + by, 0), stops.length - 1)], index);
}

function across(view, by) {
  const { index, stops, at } = placeOf(view);
  const next = view.chosen.path === null ? 0 : Math.min(Math.max(index + by, 0), view.story.paths.length - 1);
  const clock = at < 0 ? 0 : stops[at].clock;
  const away = (stop) => Math.abs(stop.clock - clock);
  const nearer = (best, stop) => (best && away(best) <= away(stop) ? best : stop);
  stopAt(view, stopsOf(view, next).reduce(nearer, null), next);
}

function stopAt(view, stop, index) {
  if (!stop) return;
  const open = Boolean(view.open);
  if (stop.meeting) view.chooseMeeting(stop.meeting, index, { open });
  else view.choosePiece(stop.piece, { open });
}

function openChosen(view) {
  const { piece, meeting, path } = view.chosen;
  if (meeting) view.chooseMeeting(meeting, path);
  else if (piece) view.choosePiece(piece);
}
