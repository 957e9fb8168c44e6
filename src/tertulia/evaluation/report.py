"""A comparison as text: what each arm reached and spent, what meetings did, and the differences, in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tertulia.evaluation.comparison import Comparison

Row = dict[str, str]
MEETINGS = 12
"""Meetings that are told one by one; the log has all."""
PRICE_NAMES = {
    "generated": "generated tokens only",
    "cost": "injected tokens at their weight",
    "full": "injected tokens in full",
}

GATE_NAMES = {"paths": "a difference between paths", "made up": "a made-up difference", "recheck": "to recheck it"}


def tables(comparison: Comparison) -> list[tuple[str, list[Row]]]:
    """Titles and rows."""
    arms = comparison.arms
    found = [("Accuracy and tokens", [_accuracy(label, arm) for label, arm in arms.items()])]
    found.append(("How paths ended", [_ended(label, arm) for label, arm in arms.items()]))
    met = [_met(label, arm["meetings"]) for label, arm in arms.items() if arm["meetings"]]
    if met:
        found.append(("What a meeting did to a path", met))
        found.append(("Meeting by meeting", _each_meeting(arms)))
    gates = [row for label, arm in arms.items() for row in _gates(label, arm["gates"])]
    if gates:
        found.append(("Claims at a marked step", gates))
    spoken = [_spoken(label, arm["thinking"]) for label, arm in arms.items() if arm["thinking"]]
    if spoken:
        found.append(("Language of thoughts", spoken))
    equal = [row for label, arm in arms.items() for row in _equal(label, arm)]
    if equal:
        found.append(("Against independent paths", equal))
    placebos = [row for label, arm in arms.items() for row in _placebos(label, arm)]
    if placebos:
        found.append(("Against placebos, each at its own tokens", placebos))
    if comparison.bins:
        found.append(("By difficulty", [_bin(row, list(arms)) for row in comparison.bins]))
    return found


def notes(comparison: Comparison) -> list[str]:
    """What a reader of the tables has to know."""
    first = next(iter(comparison.arms.values()))
    questions, each = len(comparison.questions), first["circles"] / first["questions"]
    told = [
        f"{questions} question{'s' * (questions != 1)}, {each:g} circle{'s' * (each != 1)} each; intervals: "
        "95 %, clustered by question. "
        f"An injected token costs {comparison.weight:g} generated ones where contexts came from the cache, else 1."
    ]
    if comparison.left_out:
        told.append(f"{comparison.left_out} questions that not every method answered are left out.")
    for label, arm in comparison.arms.items():
        if failed := arm["failed_paths"]:
            told.append(f"{label}: {failed} path{'s' * (failed != 1)} failed; a failed path counts as wrong.")
        small = max((equal["pool_too_small"] for equal in _votes(arm).values()), default=0)
        if small:
            told.append(f"{label}: for {small} circles there were fewer independent paths than their tokens buy.")
    times = ", ".join(f"{label} {seconds:.1f}" for label, seconds in comparison.seconds.items())
    return [*told, f"Seconds a circle, others running beside it: {times}."]


def columns(rows: Sequence[Row]) -> list[str]:
    """The columns of a table: every name that a row has, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table; what a row has not is left empty."""
    names = columns(rows)
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(row.get(name, "") for name in names) + " |" for row in rows)])


def _accuracy(label: str, arm: Mapping[str, Any]) -> Row:
    per_path = arm["per_path"]
    last = max(arm["pass@k"])
    cached = arm["cached_share"]
    return {
        "method": label,
        "Pass@1 %": arm["pass@1"].points(),
        f"Cons@N % (N = {arm['paths']})": arm["cons"].points(),
        "pass@k %": f"{100 * arm['pass@k'][last]:.1f} (k = {last})",
        "generated a path": f"{per_path['generated']:,.0f}",
        "injected": f"{per_path['injected']:,.0f}",
        "discarded": f"{per_path['discarded']:,.1f}",
        "cached": "unknown" if cached is None else f"{100 * cached:.0f} %",
    }


def _ended(label: str, arm: Mapping[str, Any]) -> Row:
    ends = arm["ends"]
    shares = {name: f"{100 * ends[name]:.1f}" for name in ("readable", "led", "none", "loops")}
    return {
        "method": label,
        "answer readable %": shares["readable"],
        "led to it %": shares["led"],
        "no answer %": shares["none"],
        "repeated itself %": shares["loops"],
        "copied %": "unknown" if ends["copied"] is None else f"{100 * ends['copied']:.1f} (of {ends['said']:,})",
        "in side branches a path": f"{arm['per_path']['forked']:,.1f}",
    }


def _met(label: str, meetings: Mapping[str, Any]) -> Row:
    def percent(name: str) -> str:
        return f"{100 * meetings[name]:.1f}"

    return {
        "method": label,
        "times": f"{meetings['pairs']:,}",
        "consistent %": percent("consistent"),
        "unaffected %": percent("unaffected"),
        "influenced %": percent("influenced"),
        "unknown %": percent("unknown"),
        "of the influenced: helped %": percent("helped"),
        "harmed %": percent("harmed"),
    }


def _gates(label: str, gates: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    rows = []
    for source, found in gates.items():
        right, took, made = (found[name] for name in ("right_turned_wrong", "right_took_it", "wrong_made_right"))
        rows.append(
            {
                "method": label,
                "heard": GATE_NAMES[source],
                "right claims": f"{right.circles:,}" if right else "0",
                "turned wrong %": right.points() if right else "",
                "to the value heard %": took.points() if took and source != "recheck" else "",
                "wrong claims": f"{made.circles:,}" if made else "0",
                "made right %": made.points() if made else "",
                "not claimed again": f"{found['untold']:,}",
            }
        )
    return rows


def _spoken(label: str, thinking: Mapping[str, Any]) -> Row:
    return {
        "method": label,
        "off-target %": thinking["off_target"].points(),
        "sentences in another language %": thinking["switched"].points(),
        "paths": f"{thinking['judged']:,}",
        "without words to judge": f"{thinking['silent']:,}",
    }


def _each_meeting(arms: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """The first method that meets, a meeting at a time."""
    label, arm = next((label, arm) for label, arm in arms.items() if arm["meetings"])
    rows = []
    for number, shares in enumerate(arm["meetings"]["each"][:MEETINGS], 1):
        told = {name: f"{100 * shares[name]:.1f}" for name in ("consistent", "unaffected", "influenced")}
        row = {"method": label, "meeting": str(number), "times": f"{shares['pairs']:,}"}
        rows.append(row | {f"{name} %": value for name, value in told.items()})
    return rows


def _bin(row: Mapping[str, Any], labels: Sequence[str]) -> Row:
    found = {"questions that are": row["bin"], "n": str(row["questions"])}
    for label in labels:
        found[f"{label}: Pass@1 %"] = row[label]["pass@1"].points()
        found[f"{label}: vote %"] = row[label]["cons"].points()
    return found


def _votes(arm: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    against = arm.get("against_independent")
    return against["vote"] if against else {}


def _equal(label: str, arm: Mapping[str, Any]) -> list[Row]:
    if "against_independent" not in arm:
        return []
    against = arm["against_independent"]
    at = "a path each, from the same beginnings" if against["shared_beginnings"] else "a path each"
    rows = [_row(label, "Pass@1", at, against["pass@1"].points(sign=True), "")]
    for how, name in PRICE_NAMES.items():
        equal = against["vote"][how]
        difference = equal["difference"].points(sign=True)
        rows.append(_row(label, "vote", f"equal: {name}", difference, f"{equal['paths']:.1f}"))
    for how, equal in against["stepwise"].items():
        difference = equal["difference"].points(sign=True)
        paths = f"{against['vote'][how]['paths']:.1f}"
        rows.append(_row(label, "vote against one step by step", f"equal: {PRICE_NAMES[how]}", difference, paths))
    return rows


def _row(label: str, what: str, at: str, difference: str, paths: str) -> Row:
    return {"method": label, "of": what, "at": at, "difference": difference, "independent paths": paths}


def _placebos(label: str, arm: Mapping[str, Any]) -> list[Row]:
    return [
        {
            "method": label,
            "placebo": placebo,
            "Pass@1": found["pass@1"].points(sign=True),
            "Cons@N": found["cons"].points(sign=True),
        }
        for placebo, found in arm["against_placebos"].items()
    ]
