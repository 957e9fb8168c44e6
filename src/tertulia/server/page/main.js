// The page: circles that were written into it, or those of the server that it came from.

import { h, put } from "./dom.js";
import { startLive } from "./live.js";
import { Answers } from "./claims.js";
import { tell } from "./story.js";
import { View } from "./view.js";

const SLOW = 150; // ms after the last key until all texts are searched

function start() {
  const circles = JSON.parse(document.getElementById("circles").textContent);
  const main = document.getElementById("main");
  const views = [];
  searchIn(views);
  if (circles === null) startLive(main, views);
  else {
    const answers = new Answers();
    for (const told of circles) views.push(new View(tell(told, new Map(), answers)));
    for (const view of views) view.others = views.filter((other) => other !== view);
    if (views.length > 1) main.classList.add("compared");
    put(
      main,
      views.map((view) => view.element),
    );
    for (const view of views) view.resize();
  }
}

function searchIn(views) {
  const field = document.getElementById("search");
  let waiting = null;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => views.forEach((view) => view.search(field.value)), SLOW);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      field.value = "";
      views.forEach((view) => view.search(""));
      views[0]?.stage.focus();
    } else if (event.key === "Enter") {
      clearTimeout(waiting);
      views.forEach((view) => view.search(field.value));
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === " " && event.target === document.body && views[0]) {
      event.preventDefault();
      views[0].toggle();
    }
  });
}

try {
  start();
} catch (error) {
  document
    .getElementById("main")
    .append(h("p", { class: "trouble", role: "alert" }, `This page cannot show its circle: ${error.message}`));
  throw error;
}
