// Where things stand. The clock counts tokens along the columns between meetings, with a gap for each meeting, so that
// a meeting is one moment for all paths; a column is as long as its longest path. x is linear in the clock.

const GAPS = 0.36; // of all tokens, at most, for gaps
const GAP = 0.07; // of all tokens, for one gap
export const AXIS = 26; // px, where the marks of meetings are
export const STREAM = 64; // px, how claims spread
const RIGHT = 76; // px, for the answer behind a lane

export class Layout {
  constructor(story, width) {
    this.story = story;
    this.left = width < 560 ? 74 : 132;
    this.width = width;
    this.lane = story.paths.length <= 10 ? 48 : story.paths.length <= 18 ? 36 : 28;
    this.bar = Math.round(this.lane * 0.36);
    this.ribbon = this.lane >= 40 ? 12 : this.lane >= 32 ? 7 : 5;
    this.top = AXIS + STREAM + 14;
    this.measure();
    this.fit();
  }

  measure() {
    const { story } = this;
    const widths = Array.from({ length: story.columns }, (_, column) =>
      Math.max(1, ...story.paths.map((path) => path.columns[column] ?? 0)),
    );
    const tokens = widths.reduce((sum, width) => sum + width, 0);
    const crossings = story.columns - 1;
    this.gap = crossings ? Math.max(1, Math.min(GAP, GAPS / crossings) * tokens) : 0;
    this.starts = [];
    this.widths = widths;
    let clock = 0;
    for (const width of widths) {
      this.starts.push(clock);
      clock += width + this.gap;
    }
    this.total = Math.max(1, clock - this.gap);
  }

  fit() {
    this.fitted = Math.max(1e-6, (this.width - this.left - RIGHT) / this.total);
    this.scale = this.fitted;
  }

  get contentWidth() {
    return this.left + this.total * this.scale + RIGHT;
  }

  get contentHeight() {
    return this.top + this.story.paths.length * this.lane + 10;
  }

  clock(column, at) {
    return this.starts[Math.min(column, this.starts.length - 1)] + Math.max(0, at);
  }

  x(clock) {
    return this.left + clock * this.scale;
  }

  clockAt(x) {
    return (x - this.left) / this.scale;
  }

  laneTop(index) {
    return this.top + index * this.lane;
  }

  barTop(index) {
    return this.laneTop(index) + Math.round((this.lane - this.bar - this.ribbon - 2) / 2);
  }

  // Where a piece lies: {clock, end}; what is thrown away lies beside the path, and takes no room in it.
  placeOf(piece) {
    const clock = piece.kind === "prompt" ? 0 : this.clock(piece.column, piece.at);
    return { clock, end: clock + piece.count };
  }

  // The gap that all paths cross at a meeting: {clock, end}; in board mode a moment of the one path that came to it.
  crossing(meeting, hearer = null) {
    if (this.story.board) {
      const moment = meeting.moments.get(hearer ?? [...meeting.heard.keys()][0]) ?? { column: 0, at: 0 };
      const clock = this.clock(moment.column, moment.at);
      return { clock, end: clock };
    }
    const clock = this.starts[meeting.column] + this.widths[meeting.column];
    return { clock, end: clock + this.gap };
  }

  // When a path had got so far that this meeting could hear it.
  momentOf(meeting, index) {
    const moment = meeting.moments.get(index) ?? { column: 0, at: 0 };
    return this.clock(moment.column, moment.at);
  }

  endOf(path) {
    const column = path.columns.length - 1;
    return this.clock(column, path.columns[column]);
  }

  // What lies under a point of the content: a piece, a meeting, or a lane with nothing there.
  under(x, y) {
    const index = Math.floor((y - this.top) / this.lane);
    const path = this.story.paths[index] ?? null;
    const clock = this.clockAt(x);
    const meeting = this.meetingAt(clock, path);
    if (meeting && (path === null || !this.story.board)) return { meeting, path };
    if (!path || x < this.left - 18) return path ? { path } : null;
    const reach = 3 / this.scale;
    const beside = y < this.barTop(index);
    const found = path.pieces.filter((piece) => {
      const { clock: from, end } = this.placeOf(piece);
      if (piece.kind === "prompt") return x < this.left && x >= this.left - 18;
      return clock >= from - (piece.fork ? reach : 0) && clock < Math.max(end, from + (piece.fork ? 2 * reach : 0));
    });
    const piece = found.find((one) => one.fork === beside) ?? found.find((one) => !one.fork) ?? found[0];
    return piece ? { piece, path } : { path };
  }

  meetingAt(clock, path) {
    const reach = 5 / this.scale;
    return this.story.meetings.find((meeting) => {
      if (this.story.board && path && !meeting.heard.has(path.index)) return false;
      const { clock: from, end } = this.crossing(meeting);
      return clock >= from - (this.story.board ? reach : 0) && clock <= end + (this.story.board ? reach : 0);
    });
  }
}
