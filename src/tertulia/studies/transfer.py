"""How a gain carries over to other languages: before and after a training, language by language.

After *Parallel Scaling Law* (arXiv 2510.02272): the relative gain of a set of languages S is the mean over S of
(post - base) / base, and the Multilingual Transferability Index is that of the unseen languages over that of the
trained ones. It explodes where the base is near 0, so languages below a floor leave it, by name; beside it stand the
plain accuracies and the headroom-normalised gain, the mean of (post - base) / (1 - base).

Where the outcomes of questions are known, base and post are compared on the questions that both answered, and
intervals come from a bootstrap over questions: paired, all languages of a question together, its circles and paths
averaged first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.statistics import Array, Drawn, bootstrap, ends, paired_difference
from tertulia.studies.measured import Measured, measure, read_accuracies

__all__ = ["FLOOR", "Measured", "check_questions", "measure", "read_accuracies", "transfer"]

FLOOR = 0.05
DRAWS = 2000


def check_questions(task: str, languages: Sequence[str], data: str | None) -> None:
    """Refuses to ask in a language that there are no questions in, before anybody is asked in another.

    Args:
        task: A benchmark.
        languages: Codes.
        data: A file of questions, perhaps with {language} in its name; None for the benchmark's own.

    Raises:
        TertuliaError: A language has no questions of its own, or the file cannot be read. One line.
    """
    from tertulia.tasks import BENCHMARKS, load
    from tertulia.tasks.fields import tells_language
    from tertulia.tasks.files import read_rows

    benchmark = BENCHMARKS.get(task)
    if benchmark is None or benchmark.generate:
        return
    if data is None:
        sets = {"en": benchmark.hub, **benchmark.translations}
        there = [code for code, found in sets.items() if found is not None and found.revision is not None]
        missing = [code for code in languages if code not in there]
        if there and missing:
            raise TertuliaError(
                f"{task} brings questions in {', '.join(there)} only, none in {', '.join(missing)}: give translated "
                f"ones with --data {task}.{{language}}.jsonl, or ask in other languages"
            )
        return
    if "{language}" not in data and len(set(languages)) > 1:
        for number, row in enumerate(read_rows(Path(data).expanduser()), 1):
            if not tells_language(row):
                raise TertuliaError(
                    f"{data}, row {number}: names no language, and would be asked as it stands in "
                    f"{', '.join(languages)}: put {{language}} into the file's name, or a field language into each row"
                )
    for code in languages:
        load(task, data=data.replace("{language}", code), language=code)


def transfer(
    base: Mapping[str, Measured],
    post: Mapping[str, Measured],
    trained: Sequence[str],
    *,
    floor: float = FLOOR,
    seed: int = 1,
) -> dict[str, Any]:
    """Gains, MTI and Gen, with 95 % intervals where there is something to take them from.

    Args:
        base, post: By language; only languages that both have count.
        trained: Languages of the training.
        floor: Base accuracy below which a language leaves the ratios; a base of 0 leaves them in any case.
        seed: Of the bootstrap: over questions, paired and all languages of a question together, where outcomes are
            known; binomial where only n is.

    Returns:
        ``languages`` (a list of rows), ``gain_trained, gain_unseen, mti, gen, gen_trained``, each with its interval
        under ``intervals``, and ``left_out``, ``unpaired`` (questions that only one side answered), ``note``.

    Raises:
        TertuliaError: The floor is no share, a trained language is not in both tables, no unseen one is, or base and
            post have no question of a language in common. One line.
    """
    both = _both(base, post, trained, floor)
    single = [code for code in (*base, *post) if code not in both]
    base, post, unpaired = _paired(base, post, both)
    before = {code: base[code].accuracy for code in both}
    after = {code: post[code].accuracy for code in both}
    kept = {code for code in both if before[code] >= floor and before[code] > 0}
    figures = _figures(before, after, trained, kept)
    samples, questions = _drawn(base, post, both, seed)
    tables = ([dict(zip(both, side, strict=True)) for side in one] for one in samples.tolist())
    spread = [_figures(first, second, trained, kept) for first, second in tables]
    intervals = {
        name: None if figure is None else _interval([one[name] for one in spread], questions)
        for name, figure in figures.items()
    }
    gains = samples[:, 1] - samples[:, 0]  # (draws, languages)
    rows = []
    for at, code in enumerate(both):
        interval = _change(base[code].right, post[code].right) or _interval(gains[:, at].tolist(), questions)
        rows.append({"language": code, "trained": code in trained, **_row(base[code], post[code], interval)})
    left_out = [code for code in both if code not in kept]
    notes = [_note(figures, intervals, left_out, floor, len(samples) > 0, unpaired), _single(single)]
    return {
        "languages": rows,
        **figures,
        "intervals": intervals,
        "left_out": left_out,
        "unpaired": unpaired,
        "note": " ".join(filter(None, notes)),
    }


def _both(
    base: Mapping[str, Measured], post: Mapping[str, Measured], trained: Sequence[str], floor: float
) -> list[str]:
    """The languages that are in both tables; refuses what cannot be compared."""
    if not 0 <= floor <= 1:
        raise TertuliaError(f"the floor is {floor:g}: expected a base accuracy, 0 to 1")
    both = [code for code in base if code in post]
    for code in trained:
        if code not in both:
            raise TertuliaError(f"{code} was trained on, and is not in both tables ({', '.join(both)}): add it")
    if len(both) == len(set(trained)):
        raise TertuliaError("every language that is in both tables was trained on: add some that were not")
    return both


def _paired(
    base: Mapping[str, Measured], post: Mapping[str, Measured], both: Sequence[str]
) -> tuple[dict[str, Measured], dict[str, Measured], int]:
    """The same, on the questions that both sides answered; and how many others there were."""
    sides: tuple[dict[str, Measured], dict[str, Measured]] = (dict(base), dict(post))
    unpaired = 0
    for code in both:
        first, second = base[code].right, post[code].right
        if first is None or second is None:
            continue
        shared = [name for name in first if name in second]
        if not shared:
            raise TertuliaError(f"base and post have no question in {code} in common: ask both the same questions")
        unpaired += len(set(first) ^ set(second))
        for side, right in zip(sides, (first, second), strict=True):
            some = {name: right[name] for name in shared}
            side[code] = replace(side[code], right=some, accuracy=float(np.mean(list(some.values()))))
    return *sides, unpaired


def _row(base: Measured, post: Measured, interval: list[float] | None) -> dict[str, Any]:
    """A language before and after."""
    return {
        "base": base.accuracy,
        "post": post.accuracy,
        "gain": post.accuracy - base.accuracy,
        "interval": interval,
        **_spoken("off_target", base, post),
        **_spoken("switched", base, post),
    }


def _spoken(name: str, base: Measured, post: Measured) -> dict[str, Any]:
    """A rate of the language of thought, before and after, with the interval of its change where it is known."""
    each = {"off_target": "off_targets", "switched": "switches"}[name]
    interval = _change(getattr(base, each), getattr(post, each))
    return {f"base_{name}": getattr(base, name), f"post_{name}": getattr(post, name), f"{name}_interval": interval}


def _change(first: Mapping[str, float] | None, second: Mapping[str, float] | None) -> list[float] | None:
    """The interval of a change, paired by question; None where outcomes are not known, or of one question only."""
    shared = [name for name in first if name in second] if first and second else []
    if not first or not second or len(shared) < 2:
        return None
    found = paired_difference([[second[name]] for name in shared], [[first[name]] for name in shared])
    return [found.low, found.high]


def _single(codes: Sequence[str]) -> str:
    return f"On one side only, so not compared: {', '.join(codes)}." if codes else ""


def _note(
    figures: Mapping[str, float | None],
    intervals: Mapping[str, list[float] | None],
    left_out: Sequence[str],
    floor: float,
    known: bool,
    unpaired: int,
) -> str:
    lines = []
    if unpaired:
        lines.append(f"Left out: {unpaired} questions that only one of the two models answered.")
    if left_out:
        lines.append(f"Left out of the ratios, with a base accuracy below {floor:g}: {', '.join(left_out)}.")
    if figures["mti"] is None:
        lines.append("MTI is not defined: the trained languages gained nothing, or none of a side is above the floor.")
    own = intervals["gain_trained"]
    if figures["mti"] is not None and own is not None and own[0] <= 0 <= own[1]:
        lines.append("MTI says little: the gain of the trained languages, which it divides by, may be nothing.")
    if not known:
        lines.append(
            "No intervals: the tables do not say how many answers (n) their accuracies are the mean of, "
            "or there is only one question."
        )
    return " ".join(lines)


def _figures(
    before: Mapping[str, float], after: Mapping[str, float], trained: Sequence[str], kept: set[str]
) -> dict[str, float | None]:
    unseen = [code for code in before if code not in trained]

    def relative(codes: Sequence[str]) -> float | None:
        gains = [(after[code] - before[code]) / before[code] for code in codes if code in kept and before[code]]
        return float(np.mean(gains)) if gains else None

    def headroom(codes: Sequence[str]) -> float | None:
        gains = [(after[code] - before[code]) / (1 - before[code]) for code in codes if before[code] < 1]
        return float(np.mean(gains)) if gains else None

    own, other = relative(trained), relative(unseen)
    return {
        "gain_trained": own,
        "gain_unseen": other,
        "mti": other / own if own and other is not None else None,
        "gen": headroom(unseen),
        "gen_trained": headroom(trained),
    }


def _drawn(
    base: Mapping[str, Measured], post: Mapping[str, Measured], both: Sequence[str], seed: int
) -> tuple[Array, int | None]:
    """Tables as they might have come out, (draws, sides, languages), and how many questions were drawn from, if any.

    There is no draw where nothing is known about the noise of the tables.
    """
    sides = (base, post)
    nothing = np.empty((0, len(sides), len(both)))
    if all(side[code].right for side in sides for code in both):
        names = sorted({name for code in both for name in base[code].right or {}})
        if len(names) < 2:
            return nothing, None
        table = np.array([[_outcomes(side[code], names) for code in both] for side in sides])
        known = ~np.isnan(table)

        def means(drawn: Drawn) -> Array:
            """Questions with all their languages, the same for both sides; NaN where a language has none of them."""
            count = np.stack([known[:, :, one].sum(axis=-1) for one in drawn]).astype(float)
            total = np.stack([np.nansum(table[:, :, one], axis=-1) for one in drawn])
            return np.asarray(total / np.where(count, count, math.nan))

        found = bootstrap(len(names), means, seed=seed, resamples=DRAWS)
        return found[~np.isnan(found).any(axis=(1, 2))], len(names)
    if all(side[code].n for side in sides for code in both):
        counts = np.array([[side[code].n or 1 for code in both] for side in sides])
        shares = np.array([[min(1.0, side[code].accuracy) for code in both] for side in sides])
        return np.random.default_rng(seed).binomial(counts, shares, (DRAWS, *counts.shape)) / counts, None
    return nothing, None


def _outcomes(measured: Measured, names: Sequence[str]) -> list[float]:
    """What each question came to in a language; NaN where it was not answered."""
    return [(measured.right or {}).get(name, math.nan) for name in names]


def _interval(values: Sequence[float | None], questions: int | None) -> list[float] | None:
    kept = [value for value in values if value is not None]
    if len(kept) < DRAWS // 2 or min(kept) == max(kept):  # nothing varies: these questions cannot tell
        return None
    return list(ends(np.array(kept), questions))
