"""What circles of many tongues reach beside circles of one: a tidy table, and the same as text.

Three comparisons of the vote, each paired by question. *At the same number of paths*: the plain difference. *Cost
adjusted*: circles cost different numbers of tokens, so each is held against the vote of as many independent paths in
the question's language as its own tokens buy, one currency for all arms, and the difference of these differences is
told; it is the plain difference less what the tokens spent beyond the other arm would have bought anyway. *Over its own
sort*: each is held against independent paths of the same tongues at its tokens; the difference tells whether hearing
each other brings more across languages than within one, apart from what a mix brings without meetings.

Intervals: 95 %, clustered by question, its circles averaged first; over all languages a question with all its languages
is one cluster, for it is the same problem in each.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tertulia.evaluation.comparison import pool_of, price
from tertulia.evaluation.equal_tokens import AtTokens, Pool, vote_at
from tertulia.evaluation.records import CircleRecord, injected_weight
from tertulia.evaluation.statistics import Estimate, mean_over_questions, paired_difference, verdict
from tertulia.evaluation.thinking import off_target_share, rates, switched_share
from tertulia.files import write_whole
from tertulia.seeds import derive
from tertulia.studies.polyglot import KINDS, SHAPES, Circles, Outcome

COLUMNS = ("language", "arm", "against", "measure", "mean", "low", "high", "questions", "circles")
ALL = "all"
Values = Mapping[str, Sequence[float]]
"""A number for each circle, by question."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """All arms on questions in one language.

    Attributes:
        language: Of the questions.
        arms: The circles of each arm, by question.
        seed: Of sub-sampling.
    """

    language: str
    arms: Mapping[str, Circles]
    seed: int

    @cached_property
    def pools(self) -> dict[str, dict[str, Pool]]:
        """Independent paths of each shape, by question."""
        return {
            shape: {question: pool_of(found) for question, found in self.arms[f"independent, {shape}"].items()}
            for shape in SHAPES
        }

    @cached_property
    def weights(self) -> dict[str, float]:
        """What an injected token costs in each arm."""
        return {
            arm: injected_weight([circle for found in circles.values() for circle in found])
            for arm, circles in self.arms.items()
        }

    def each(self, arm: str, value: Callable[[CircleRecord], float]) -> Values:
        """A number for each circle of an arm."""
        return {question: [value(circle) for circle in found] for question, found in self.arms[arm].items()}

    def bought(self, arm: str, shape: str, how: str) -> dict[str, list[AtTokens]]:
        """What each circle's tokens buy in independent paths of a shape."""
        weight, pools = self.weights[arm], self.pools[shape]

        def at(question: str, circle: CircleRecord) -> AtTokens:
            seed = derive(self.seed, how, shape, question, circle.circle)
            return vote_at(pools[question], price(circle, how, weight), seed=seed)

        return {question: [at(question, circle) for circle in found] for question, found in self.arms[arm].items()}

    def over(self, arm: str, shape: str, how: str = "cost") -> Values:
        """By how much each circle's vote is better than what its tokens buy in independent paths of a shape."""
        votes = self.each(arm, lambda circle: float(circle.correct))
        equal = self.bought(arm, shape, how)
        return {
            question: [vote - at.vote for vote, at in zip(found, equal[question], strict=True)]
            for question, found in votes.items()
        }

    def measured(self, arm: str) -> dict[str, Values]:
        """Values of an arm by itself, and those that are compared between arms."""
        shape = arm.rpartition(", ")[2]
        return {
            "pass@1": self.each(arm, lambda circle: circle.pass_at_1),
            "vote": self.each(arm, lambda circle: float(circle.correct)),
            "vote, cost adjusted": self.over(arm, "own"),
            "vote, cost adjusted, injected in full": self.over(arm, "own", "full"),
            "vote over its own sort": self.over(arm, shape),
        }

    def spent(self, arm: str) -> dict[str, Values]:
        """Tokens of a path, and the languages of thoughts: nothing for a circle whose thoughts have no words."""
        circles = self.arms[arm]
        return {
            "generated a path": self.each(arm, lambda circle: circle.generated / len(circle.paths)),
            "injected a path": self.each(arm, lambda circle: circle.injected / len(circle.paths)),
            "off_target": {q: [one for c in found for one in off_target_share(c)] for q, found in circles.items()},
            "switched": {q: [one for c in found for one in switched_share(c)] for q, found in circles.items()},
        }

    def small(self) -> int:
        """Circles whose tokens buy more independent paths than there are."""
        every = [at for arm in self.arms for found in self.bought(arm, "own", "full").values() for at in found]
        return sum(not at.enough for at in every)


def rows(outcome: Outcome) -> list[Row]:
    """The tidy table, a row for each language, arm and measure, differences between arms included."""
    seed = outcome.study.seed
    asked = [Asked(language, arms, seed) for language, arms in outcome.circles.items()]
    measured = {one.language: {arm: one.measured(arm) for arm in one.arms} for one in asked}
    spent = {one.language: {arm: one.spent(arm) for arm in one.arms} for one in asked}
    if len(asked) > 1:
        for table in (measured, spent):
            if pooled := _pooled([table[one.language] for one in asked]):
                table[ALL] = pooled
    found: list[Row] = []
    for language, arms in measured.items():
        for arm, values in arms.items():
            if language == outcome.study.pivot and arm.endswith("pivot"):
                continue  # there it is the question's own
            alone = {name: values[name] for name in ("pass@1", "vote")} | spent[language][arm]
            found += [_row(language, arm, "", name, _mean(one)) for name, one in alone.items() if any(one.values())]
            if arm.startswith("meeting"):
                sort = values["vote over its own sort"]
                found.append(_row(language, arm, "independent of its sort", "vote at equal tokens", _mean(sort)))
            found += _tongues(outcome, language, arm)
        shapes = ("own",) if language == outcome.study.pivot else ("own", "pivot")
        found += [row for shape in shapes for row in _differences(language, arms, shape)]
    return found


def _differences(language: str, arms: Mapping[str, Mapping[str, Values]], shape: str) -> list[Row]:
    """Many tongues against one, with meetings and without."""
    found = []
    for kind in KINDS:
        many, one = arms[f"{kind}, many"], arms[f"{kind}, {shape}"]
        for name in many:
            if name == "vote over its own sort" and kind == "independent":
                continue  # a sort over itself is nothing
            difference = _paired(many[name], one[name])
            found.append(_row(language, f"{kind}, many", f"{kind}, {shape}", name, difference))
    return found


def _tongues(outcome: Outcome, language: str, arm: str) -> list[Row]:
    """In circles of many tongues the paths of each tongue by themselves."""
    if language == ALL or not arm.endswith("many"):
        return []
    circles = outcome.circles[language][arm]
    mix = outcome.study.mix(language)
    found = []
    for at, tongue in enumerate(mix):

        def right(circle: CircleRecord, at: int = at) -> float:
            paths = circle.paths[at :: len(mix)]
            return sum(path.right for path in paths) / len(paths)

        values = {question: list(map(right, some)) for question, some in circles.items()}
        found.append(_row(language, arm, "", f"pass@1, paths in {tongue}", _mean(values)))
        if told := rates(circles, tongue):
            found.append(_row(language, arm, "", f"off_target, paths in {tongue}", told["off_target"]))
    return found


def _pooled(languages: Sequence[Mapping[str, Mapping[str, Values]]]) -> dict[str, dict[str, Values]]:
    """The values of all languages, by the questions that all of them have; none where they share no question."""
    first = languages[0]
    shared = set.intersection(
        *(set(arms["meeting, many"][name]) for arms in languages for name in arms["meeting, many"])
    )
    if not shared:
        return {}
    return {
        arm: {
            name: {q: [value for arms in languages for value in arms[arm][name][q]] for q in sorted(shared)}
            for name in first[arm]
        }
        for arm in first
    }


def _mean(values: Values) -> Estimate:
    """A mean over questions; numbers of tokens are no shares, and where all are alike they have no interval."""
    rows = list(values.values())
    found = mean_over_questions(rows)
    if found.mean <= 1 or found.low < found.mean < found.high:
        return found
    return replace(found, low=math.nan, high=math.nan, se=math.nan)


def _paired(a: Values, b: Values) -> Estimate:
    return paired_difference([a[question] for question in a], [b[question] for question in a])


def _row(language: str, arm: str, against: str, measure: str, estimate: Estimate) -> Row:
    return {"language": language, "arm": arm, "against": against, "measure": measure, **estimate.to_json()}


def write_csv(found: Sequence[Row], file: Path) -> None:
    """Writes the tidy table; a kill in the middle leaves the former file.

    Raises:
        TertuliaError: It cannot be written. One line.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(found)
    write_whole(file, text.getvalue())


def notes(outcome: Outcome) -> list[str]:
    """What a reader of the table has to know."""
    study = outcome.study
    told = [
        f"Intervals: 95 %, paired and clustered by question, {study.circles} circle{'s' * (study.circles > 1)} each. "
        "Cost adjusted: each vote less what its tokens buy in independent paths in the question's language."
    ]
    small = sum(Asked(language, arms, study.seed).small() for language, arms in outcome.circles.items())
    if small:
        told.append(f"For {small} circles there were fewer independent paths than their tokens buy.")
    if outcome.left_out:
        told.append(f"{outcome.left_out} questions that not every arm answered are left out.")
    if outcome.failed[0]:
        told.append(f"{outcome.failed[0]} circles failed; the same command tries them again: {outcome.failed[1]}")
    return told


def sentence(found: Sequence[Row]) -> str:
    """The outcome in words: many tongues against the question's own, over all languages where there are several."""
    last = found[-1]["language"]
    for row in found:
        wanted = (last, "meeting, many", "meeting, own", "vote, cost adjusted")
        if (row["language"], row["arm"], row["against"], row["measure"]) == wanted:
            told = verdict(_estimate(row), at="adjusted cost")
            where = "all languages" if last == ALL else f"questions in {last}"
            return f"The vote of circles of many tongues against circles in the question's language, {where}: {told}."
    return "Nothing is compared."


def tables(found: Sequence[Row]) -> list[tuple[str, list[dict[str, str]]]]:
    """Titles and rows of text."""
    cells = {(row["language"], row["arm"], row["against"], row["measure"]): _estimate(row) for row in found}
    languages = list(dict.fromkeys(row["language"] for row in found))
    arms = [f"{kind}, {shape}" for kind in KINDS for shape in SHAPES]
    # Where the question is in the pivot there is one arm less.
    alone = [
        _alone(cells, language, arm) for language in languages for arm in arms if (language, arm, "", "vote") in cells
    ]
    against = [
        _against(cells, language, kind, shape)
        for language in languages
        for kind in KINDS
        for shape in ("own", "pivot")
        if (language, f"{kind}, many", f"{kind}, {shape}", "vote") in cells
    ]
    return [("Arms", alone), ("Many tongues against one", against)]


Cells = Mapping[tuple[str, str, str, str], Estimate]


def _alone(cells: Cells, language: str, arm: str) -> dict[str, str]:
    def points(measure: str, against: str = "", *, sign: bool = False) -> str:
        estimate = cells.get((language, arm, against, measure))
        return "" if estimate is None else estimate.points(sign=sign)

    def tokens(name: str) -> str:
        return f"{cells[language, arm, '', f'{name} a path'].mean:.0f}"

    return {
        "questions in": language,
        "paths": arm,
        "Pass@1 %": points("pass@1"),
        "vote %": points("vote"),
        "over independent paths of its sort, equal tokens": points(
            "vote at equal tokens", "independent of its sort", sign=True
        ),
        "tokens a path (injected)": f"{tokens('generated')} ({tokens('injected')})",
        "off-target %": points("off_target"),
        "switched %": points("switched"),
    }


def _against(cells: Cells, language: str, kind: str, shape: str) -> dict[str, str]:
    def points(measure: str) -> str:
        estimate = cells.get((language, f"{kind}, many", f"{kind}, {shape}", measure))
        return "" if estimate is None else estimate.points(sign=True)

    return {
        "questions in": language,
        "paths": kind,
        "against": shape,
        "Pass@1": points("pass@1"),
        "vote, same paths": points("vote"),
        "vote, cost adjusted": points("vote, cost adjusted"),
        "injected in full": points("vote, cost adjusted, injected in full"),
        "what meetings bring more": points("vote over its own sort"),
    }


def _estimate(row: Row) -> Estimate:
    return Estimate.from_json({name: row[name] for name in ("mean", "low", "high", "se", "questions", "circles")})
