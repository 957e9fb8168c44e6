// What all drawings share: colours as page.css names them, and labels that fit.

import { COLOURS } from "./claims.js";

const KINDS = ["prompt", "thought", "heard", "asked", "aside", "judged", "cue", "summary", "answer"];
const EFFECT_NAMES = ["influenced", "moved", "unaffected", "consistent", "helped", "harmed", "unknown"];

export function themeOf(element) {
  const style = getComputedStyle(element);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  const claims = Array.from({ length: COLOURS }, (_, at) => value(`claim-${at}`));
  const named = (names, prefix) => Object.fromEntries(names.map((name) => [name, value(`${prefix}-${name}`)]));
  const fonts = value("font");
  return {
    ground: value("ground"),
    ink: value("ink"),
    faint: value("faint"),
    stripe: value("stripe"),
    band: value("band"),
    bandChosen: value("band-chosen"),
    focus: value("focus"),
    mark: value("mark"),
    cut: value("kind-cut"),
    onClaim: value("on-claim"),
    kinds: named(KINDS, "kind"),
    effects: named(EFFECT_NAMES, "effect"),
    small: `11px ${fonts}`,
    plain: `13px ${fonts}`,
    strong: `600 13px ${fonts}`,
    colours: (group, alpha) => withAlpha(group ? claims[group.colour] : value("no-claim"), alpha),
    inkOf: (group) => (group ? claims[group.colour] : value("faint")),
  };
}

function withAlpha(colour, alpha) {
  return alpha === 1
    ? colour
    : `${colour}${Math.round(alpha * 255)
        .toString(16)
        .padStart(2, "0")}`;
}

// A label no wider than this; "" where not even a letter fits.
export function fitted(context, label, width) {
  let text = shown(label).slice(0, 200).replace(/\s+/g, " ");
  if (context.measureText(text).width <= width) return text;
  let [most, least] = [text.length, 0];
  while (most > least) {
    const middle = (most + least + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) least = middle;
    else most = middle - 1;
  }
  text = text.slice(0, least);
  return text ? `${text}…` : "";
}

// Controls, marks that turn text around, what is drawn as nothing (letters of tags too), and halves of pairs. What
// scripts need stays: the marks of direction of Arabic and Hebrew, and the joiners.
const CONTROLS = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f";
const TURNING = "\\u202a-\\u202e\\u2066-\\u2069";
const INVISIBLE = "\\u00ad\\u200b\\u2028\\u2029\\u2060-\\u2064\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}";
const HIDDEN = new RegExp(`[${CONTROLS}${TURNING}${INVISIBLE}\\ud800-\\udfff]`, "gu");

// A text as it can be seen: what would be invisible, or would turn what stands around it, is shown by its number.
export function shown(text) {
  return text.replace(HIDDEN, (letter) => {
    const code = letter.codePointAt(0);
    const number = code.toString(16).toUpperCase().padStart(4, "0");
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨${number}⟩`;
  });
}
