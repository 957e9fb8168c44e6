// One circle on the page: its lanes, what plays them, and the panel beside them.

import { chip, counted, cutTo, h, number, refill, said } from "./dom.js";
import { themeOf } from "./draw.js";
import { drawScene } from "./lanes.js";
import { Layout } from "./layout.js";
import { openMeeting } from "./meeting.js";
import { openOverview, state } from "./overview.js";
import { nameOf, openReader } from "./reader.js";
import { openResults } from "./search.js";

const PLAYED = 14000; // ms that a whole circle takes
const ZOOM = 1.5;
const CLOSEST = 400; // times the width of the window

export class View {
  constructor(story, { live = false } = {}) {
    this.live = live;
    this.clock = null; // the moment that is shown; null for the end
    this.chosen = { piece: null, meeting: null, path: null };
    this.found = new Set();
    this.term = "";
    this.build();
    this.take(story);
  }

  build() {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.room = h("div", { class: "room" });
    this.stage = h(
      "div",
      {
        class: "stage",
        tabindex: "0",
        role: "application",
        "aria-label": "Lanes of the paths. Arrow keys move between pieces and paths, Enter opens, space plays, slash searches.",
        onscroll: () => this.draw(),
        onkeydown: (event) => this.key(event),
        onclick: (event) => this.click(event),
        onmousemove: (event) => this.hover(event),
      },
      this.canvas,
      this.room,
    );
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.said = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.head = h("header", { class: "run-head" });
    this.panel = h("aside", { class: "panel", "aria-label": "Details" });
    this.element = h("article", { class: "run" }, this.head, h("div", { class: "lanes" }, this.stage, this.player(), legend()), this.panel, this.said);
    new ResizeObserver(() => this.resize()).observe(this.stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  }

  player() {
    this.play = h("button", { class: "play", "aria-label": "Play", onclick: () => this.toggle() }, "▶");
    this.slider = h("input", { type: "range", min: "0", max: "1000", value: "1000", "aria-label": "Moment", oninput: () => this.seek() });
    this.moment = h("output", { class: "faint" });
    const zoom = (label, sign, times) => h("button", { "aria-label": label, onclick: () => this.zoom(times) }, sign);
    return h(
      "div",
      { class: "player" },
      this.play,
      this.slider,
      this.moment,
      h("span", { class: "tools" }, zoom("Zoom out", "−", 1 / ZOOM), zoom("Zoom in", "+", ZOOM), h("button", { onclick: () => this.zoom(0) }, "fit")),
    );
  }

  // Another state of the same circle, or the first.
  take(story) {
    const zoomed = this.layout && this.layout.scale > 1.01 * this.layout.fitted ? this.layout.scale : null;
    const { piece, meeting, path } = this.chosen;
    this.story = story;
    this.chosen = {
      piece: piece ? story.paths[piece.path]?.pieces[piece.seq] ?? null : null,
      meeting: meeting ? story.meetings[meeting.number] ?? null : null,
      path,
    };
    this.headline();
    this.resize(zoomed);
    if (!this.open) this.overview();
  }

  headline() {
    const { story } = this;
    const { settings } = story;
    const facts = [
      story.model,
      settings.method,
      counted(story.paths.length, "path"),
      counted(story.meetings.length, "meeting"),
      `${number(story.paths.reduce((sum, path) => sum + path.generated, 0))} tokens`,
      settings.seed === undefined ? "" : `seed ${settings.seed}`,
    ];
    const verdict = story.verdict
      ? h("p", { class: "verdict" }, h("span", { class: "faint" }, "verdict"), chip(story.answers.of(story.verdict.answer), story.verdict.answer ?? "none"))
      : h("p", { class: "verdict faint" }, state(story));
    const question = h("h2", {}, said(cutTo(story.question, 4000)));
    question.addEventListener("click", () => question.classList.toggle("whole"));
    if (this.head.querySelector("h2")?.classList.contains("whole")) question.classList.add("whole");
    refill(this.head, question, h("div", { class: "facts" }, facts.filter(Boolean).map((fact) => said(String(fact))), verdict));
  }

  resize(zoomed = null) {
    const width = this.stage.clientWidth;
    if (!width || !this.story) return;
    const scale = zoomed ?? (this.layout && this.layout.scale > 1.01 * this.layout.fitted ? this.layout.scale : null);
    this.layout = new Layout(this.story, width);
    if (scale) this.layout.scale = Math.max(scale, this.layout.fitted);
    this.theme = themeOf(this.stage);
    const tall = Math.min(this.layout.contentHeight, Math.max(320, Math.round(innerHeight * 0.66)));
    this.stage.style.setProperty("height", `${tall}px`);
    this.room.style.setProperty("width", `${this.layout.contentWidth}px`);
    this.room.style.setProperty("height", `${this.layout.contentHeight}px`);
    Object.assign(this, { width, height: this.stage.clientHeight });
    const dots = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * dots);
    this.canvas.height = Math.round(this.height * dots);
    this.canvas.style.setProperty("width", `${this.width}px`);
    this.canvas.style.setProperty("height", `${this.height}px`);
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(dots, 0, 0, dots, 0, 0);
    this.draw();
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      if (!this.layout) return;
      this.scrollLeft = this.stage.scrollLeft;
      this.scrollTop = this.stage.scrollTop;
      drawScene(this);
      this.tellMoment();
      if (this.live && this.story.paths.some((path) => !path.over && path.place !== "waiting")) this.draw();
    });
  }

  tellMoment() {
    const at = this.clock === null ? "end" : `${Math.round((100 * this.clock) / this.layout.total)} %`;
    if (this.moment.value !== at) this.moment.value = at;
  }

  // Playing.

  toggle() {
    if (this.playing) return this.pause();
    if (this.clock === null || this.clock >= this.layout.total) this.clock = 0;
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
    let last = performance.now();
    const beat = (now) => {
      this.clock += ((now - last) / PLAYED) * this.layout.total;
      last = now;
      if (this.clock >= this.layout.total) {
        this.clock = null;
        this.pause();
      } else this.playing = requestAnimationFrame(beat);
      this.slider.value = this.clock === null ? 1000 : (1000 * this.clock) / this.layout.total;
      this.draw();
    };
    this.playing = requestAnimationFrame(beat);
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }

  seek() {
    this.pause();
    const share = Number(this.slider.value) / 1000;
    this.clock = share >= 1 ? null : share * this.layout.total;
    this.draw();
  }

  zoom(times, x = this.width / 2) {
    const { layout, stage } = this;
    const clock = layout.clockAt(x + stage.scrollLeft);
    layout.scale = times ? Math.min(Math.max(layout.scale * times, layout.fitted), CLOSEST * layout.fitted) : layout.fitted;
    this.room.style.setProperty("width", `${layout.contentWidth}px`);
    stage.scrollLeft = layout.x(clock) - x;
    this.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), event.clientX - this.stage.getBoundingClientRect().left);
  }

  // Choosing.

  pointed(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const fixed = y < this.layout.top - 10;
    return this.layout.under(x + this.stage.scrollLeft, fixed ? y : y + this.stage.scrollTop);
  }

  hover(event) {
    const under = this.pointed(event);
    this.stage.classList.toggle("live", Boolean(under && (under.piece || under.meeting)));
    const words = under?.piece ? `${nameOf(under.piece)}, ${counted(under.piece.count, "token")}` : under?.meeting ? `meeting ${under.meeting.index}` : "";
    this.stage.title = words;
  }

  click(event) {
    const under = this.pointed(event);
    if (under?.meeting) this.chooseMeeting(under.meeting, under.path?.index ?? null);
    else if (under?.piece) this.choosePiece(under.piece);
    else if (under?.path) this.choosePath(under.path.index);
  }

  choosePath(index) {
    const [first] = this.story.paths[index].pieces.filter((piece) => piece.kind !== "prompt");
    if (first) this.choosePiece(first);
  }

  choosePiece(piece, { open = true, term = this.term } = {}) {
    this.chosen = { piece, meeting: null, path: piece.path };
    this.reveal(this.layout.placeOf(piece), piece.path);
    this.said.textContent = `Path ${piece.path}, ${nameOf(piece)}, ${counted(piece.count, "token")}`;
    if (open) {
      this.open = "reader";
      openReader(this.panel, this, piece, term);
      this.element.classList.add("open");
    }
    this.draw();
  }

  chooseMeeting(meeting, path = null, { open = true } = {}) {
    this.chosen = { piece: null, meeting, path };
    this.reveal(this.layout.crossing(meeting, path), path);
    const effect = path === null ? null : meeting.effects.get(path);
    this.said.textContent = `Meeting ${meeting.index}${effect ? `, path ${path} ${effect.name}` : ""}`;
    if (open) {
      this.open = "meeting";
      openMeeting(this.panel, this, meeting, path);
      this.element.classList.add("open");
    }
    this.draw();
  }

  search(term) {
    this.term = term;
    if (!term) return this.close();
    this.open = "search";
    openResults(this.panel, this, term);
    this.element.classList.add("open");
  }

  mark(pieces) {
    this.found = new Set(pieces);
    this.draw();
  }

  close() {
    this.found = new Set();
    this.chosen = { piece: null, meeting: null, path: null };
    this.open = null;
    this.element.classList.remove("open");
    this.overview();
    this.draw();
  }

  closer() {
    return h("button", { class: "quiet", "aria-label": "Close", onclick: () => { this.close(); this.stage.focus(); } }, "✕");
  }

  overview() {
    openOverview(this.panel, this);
  }

  // Scrolls so that a stretch of the clock, and a lane, can be seen.
  reveal({ clock, end }, index) {
    const { stage, layout } = this;
    const [x, right] = [layout.x(clock), layout.x(end)];
    if (x < stage.scrollLeft + layout.left || x > stage.scrollLeft + this.width - 40) {
      stage.scrollLeft = Math.max(0, Math.min(x, (x + right) / 2) - this.width / 2);
    }
    if (index === null) return;
    const top = layout.laneTop(index);
    if (top < stage.scrollTop + layout.top) stage.scrollTop = top - layout.top;
    else if (top + layout.lane > stage.scrollTop + this.height) stage.scrollTop = top + layout.lane - this.height + 8;
  }

  // Keys.

  key(event) {
    const acts = {
      ArrowRight: () => this.along(1),
      ArrowLeft: () => this.along(-1),
      ArrowDown: () => this.across(1),
      ArrowUp: () => this.across(-1),
      Enter: () => this.openChosen(),
      " ": () => this.toggle(),
      Escape: () => this.close(),
      "+": () => this.zoom(ZOOM),
      "-": () => this.zoom(1 / ZOOM),
      "0": () => this.zoom(0),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  }

  // What one passes on a lane, in order: its pieces, and the meetings that it came to.
  stops(index) {
    const path = this.story.paths[index];
    const stops = path.pieces.map((piece) => ({ piece, clock: this.layout.placeOf(piece).clock + (piece.kind === "prompt" ? -1 : 0) }));
    for (const { meeting } of path.claims) stops.push({ meeting, clock: this.layout.crossing(meeting, index).clock });
    return stops.sort((one, other) => one.clock - other.clock);
  }

  place() {
    const { piece, meeting, path } = this.chosen;
    const index = path ?? 0;
    const stops = this.stops(index);
    return { index, stops, at: stops.findIndex((stop) => (piece ? stop.piece === piece : stop.meeting !== undefined && stop.meeting === meeting)) };
  }

  along(by) {
    const { index, stops, at } = this.place();
    const stop = stops[Math.min(Math.max(at + by, 0), stops.length - 1)];
    this.stopAt(stop, index);
  }

  across(by) {
    const { index, stops, at } = this.place();
    const next = this.chosen.path === null ? 0 : Math.min(Math.max(index + by, 0), this.story.paths.length - 1);
    const clock = at < 0 ? 0 : stops[at].clock;
    const near = this.stops(next).reduce((best, stop) => (!best || Math.abs(stop.clock - clock) < Math.abs(best.clock - clock) ? stop : best), null);
    this.stopAt(near, next);
  }

  stopAt(stop, index) {
    if (!stop) return;
    const open = Boolean(this.open);
    if (stop.meeting) this.chooseMeeting(stop.meeting, index, { open });
    else this.choosePiece(stop.piece, { open });
  }

  openChosen() {
    if (this.chosen.meeting) this.chooseMeeting(this.chosen.meeting, this.chosen.path);
    else if (this.chosen.piece) this.choosePiece(this.chosen.piece);
  }
}

function legend() {
  const kinds = [["thought", "thought"], ["heard", "heard"], ["asked", "aside"], ["cue", "put in"], ["cut", "cut"], ["answer", "answer"]];
  const effects = ["influenced", "moved", "unaffected", "consistent", "helped", "harmed"];
  return h(
    "p",
    { class: "legend faint" },
    kinds.map(([kind, name]) => h("span", {}, h("i", { class: "swatch", style: { background: `var(--kind-${kind})` } }), name)),
    effects.map((name) => h("span", {}, h("i", { class: "swatch arrow", style: { background: `var(--effect-${name})` } }), name)),
  );
}
