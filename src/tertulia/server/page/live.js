// Circles of the server that the page came from: a list of them, and one that is followed while it goes on.

import { chip, counted, cutTo, h, refill, said } from "./dom.js";
import { tell, textOf, whole } from "./story.js";
import { View } from "./view.js";

const OFTEN = 3000; // ms between two looks at the list
const AGAIN = [500, 1000, 2000, 4000, 8000]; // ms until a connection that was lost is tried again
const STEADY = 200; // ms between two drawings of what has come
const SHARE = 4; // times what a drawing takes, until the next one
const KEY = "tertulia-key";
const GONE = "is no longer there";

export function startLive(main, views) {
  new Live(main, views).begin();
}

class Live {
  constructor(main, views) {
    this.views = views;
    this.circles = [];
    this.list = h("nav", { class: "circles", "aria-label": "Circles" });
    this.place = h("div", { class: "place" });
    this.trouble = h("p", { class: "trouble", role: "status", hidden: true });
    main.classList.add("live");
    main.append(this.list, h("div", { class: "shown" }, this.trouble, this.place));
    addEventListener("hashchange", () => this.follow());
  }

  async begin() {
    await this.look();
    this.follow();
    setInterval(() => document.hidden || this.look(), OFTEN);
  }

  // What the server says; asks for the key where it wants one.
  async ask(address, signal) {
    for (;;) {
      const key = sessionStorage.getItem(KEY);
      const headers = key ? { Authorization: `Bearer ${key}` } : {};
      const carried = key === null || /^[\x21-\x7e]+$/.test(key); // else no header can carry it
      const answer = carried ? await fetch(address, { headers, signal, cache: "no-store" }) : null;
      if (answer?.ok) return answer;
      if (answer && answer.status !== 401)
        throw new Error(answer.status === 404 ? GONE : `the server said ${answer.status}`);
      await this.wantKey(key !== null);
    }
  }

  wantKey(wrong) {
    this.wanted ??= new Promise((resolve) => {
      const field = h("input", {
        type: "password",
        autocomplete: "off",
        "aria-label": "Key of the server",
        required: true,
      });
      const form = h(
        "form",
        { class: "key" },
        h("p", {}, wrong ? "That key is not known here. The key of the server:" : "The key of the server:"),
        field,
        h("button", {}, "Use it"),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        sessionStorage.setItem(KEY, field.value.trim());
        form.remove();
        this.wanted = null;
        resolve();
      });
      this.place.before(form);
      field.focus();
    });
    return this.wanted;
  }

  async look() {
    if (this.looking) return;
    this.looking = true;
    try {
      const circles = await (await this.ask("/circles")).json();
      this.say("");
      this.show(Array.isArray(circles) ? circles : []);
    } catch (error) {
      this.say(`The server does not answer (${error.message}). It is tried again.`);
    } finally {
      this.looking = false;
    }
  }

  say(text) {
    this.trouble.hidden = !text;
    this.trouble.textContent = text;
  }

  show(circles) {
    const now = this.chosen();
    const told = JSON.stringify([now, circles]);
    if (told === this.shown) return;
    [this.shown, this.circles] = [told, circles];
    const reached = this.list.contains(document.activeElement) ? document.activeElement.hash : null;
    const links = circles.map((circle) => entry(circle, textOf(circle.id) === now));
    const none = "None yet. Each question that is asked here is shown while it is thought about.";
    refill(this.list, h("h2", {}, "Circles"), links.length ? h("ul", {}, links) : h("p", { class: "faint" }, none));
    if (reached) [...this.list.querySelectorAll("a")].find((link) => link.hash === reached)?.focus();
    if (!now && circles.length) location.replace(`#${encodeURIComponent(textOf(circles[0].id))}`);
  }

  chosen() {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return "";
    }
  }

  // Follows the circle that the address names, and none that was followed before.
  follow() {
    const id = this.chosen();
    if (id === this.followed) return;
    this.followed = id;
    this.stop?.abort();
    if (!id) return;
    this.stop = new AbortController();
    this.show(this.circles);
    this.hear(id, this.stop.signal);
  }

  async hear(id, signal) {
    const circle = new Following(this.place, this.views);
    for (let lost = 0; !signal.aborted; lost++) {
      try {
        circle.again();
        const answer = await this.ask(`/circles/${encodeURIComponent(id)}/events`, signal);
        for await (const event of events(answer.body)) {
          lost = 0;
          if (signal.aborted) return;
          circle.take(event);
          if (event.name === "end") return void this.look();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.message === GONE) return this.say(`This circle ${GONE}.`);
        this.say(`The connection was lost (${error.message}). It is tried again.`);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN[Math.min(lost, AGAIN.length - 1)]));
    }
  }
}

function entry(circle, current) {
  const state = textOf(circle.state);
  const verdict =
    state === "done"
      ? chip(null, textOf(circle.verdict) || "no answer")
      : h("span", { class: `state ${state}` }, state);
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#${encodeURIComponent(textOf(circle.id))}`, "aria-current": current ? "true" : null },
      h("span", { class: "question" }, said(cutTo(textOf(circle.question), 160))),
      h(
        "span",
        { class: "faint" },
        [textOf(circle.preset) || textOf(circle.model), counted(whole(circle.tokens), "token")]
          .filter(Boolean)
          .join(" · "),
      ),
      verdict,
    ),
  );
}

// One circle, as far as it has been heard of.
class Following {
  constructor(place, views) {
    Object.assign(this, { place, views, view: null });
  }

  // The server tells from the beginning whenever it is asked.
  again() {
    this.header = null;
    this.records = [];
    this.arriving = new Map();
  }

  take({ name, data }) {
    if (name === "tokens") this.arrived(data);
    else if (name === "message" && data.header) this.header = data.header;
    else if (name === "message" && data.kind) {
      this.records.push(data);
      if ("place" in data) this.arriving.delete(data.path);
    } else if (name === "end") this.arriving.clear();
    this.drawing ??= setTimeout(() => this.draw(), this.view ? Math.max(STEADY, SHARE * this.cost) : 0);
  }

  arrived(data) {
    const path = whole(data.path, -1);
    if (path < 0) return;
    const came = this.arriving.get(path) ?? { count: 0, text: "", of: textOf(data.of) };
    this.arriving.set(path, { ...came, count: came.count + whole(data.count), text: came.text + textOf(data.text) });
  }

  draw() {
    this.drawing = null;
    if (!this.header && !this.records.length) return;
    const begun = performance.now();
    const story = tell({ header: this.header, records: this.records, name: "" }, this.arriving);
    if (this.view) this.view.take(story);
    else {
      this.view = new View(story, { live: true });
      this.views.splice(0, this.views.length, this.view);
      refill(this.place, this.view.element);
      this.view.resize();
    }
    if (story.verdict) this.view.live = false;
    this.cost = performance.now() - begun;
  }
}

// Server-sent events of a body: {name, data}, data as JSON; what is no JSON is left out.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = eventOf(part);
      if (event) yield event;
    }
  }
}

function eventOf(part) {
  let [name, data] = ["message", null];
  for (const line of part.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data = (data === null ? "" : `${data}\n`) + line.slice(5).replace(/^ /, "");
  }
  if (data === null) return name === "end" ? { name, data: {} } : null;
  try {
    const value = JSON.parse(data);
    return { name, data: value !== null && typeof value === "object" ? value : {} };
  } catch {
    return name === "end" ? { name, data: {} } : null;
  }
}
