"""`tertulia eval` without its screen: runs the arms one after the other through Inspect, and compares them.

The folder of an evaluation holds `evaluation.json` (what was asked), a folder of Inspect logs for each arm, and a
folder of journals for each arm. The same call goes on where it was: questions through Inspect, circles through
their journals. So does one with another limit: what is done is not asked again, and what is asked for is compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from tertulia import tasks
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import LONGER, Arm, arms
from tertulia.evaluation.comparison import Comparison, compare
from tertulia.evaluation.quiet import quiet, without_tracebacks
from tertulia.evaluation.records import CACHED_WEIGHT, CircleRecord, check_weight
from tertulia.evaluation.sharing import BEGINNINGS
from tertulia.evaluation.thinking import MISSING, told
from tertulia.evaluation.where import Where
from tertulia.files import check_folder, mark_folder, working_in, write_json
from tertulia.tasks.question import Question

MARK = ("evaluation.json", "evaluation", "--log-dir")
"""How a folder is marked (`tertulia.files.mark_folder`): by which file, as what, and by which option it is given."""
QUESTIONS = "questions.json"
MOST_FAILURES = 0.2
"""Share of an arm's circles that may fail before the rest is not tried: a night should not be spent on errors."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated.

    Attributes:
        task: Name of a benchmark.
        methods: Arms, as `tertulia.evaluation.arms.arm` reads them.
        options: Of the task: data, language, difficulty, split, first, limit.
        circles: Circles a question.
        seed: All draws derive from it.
        where: Where its circles run.
        settings: What all arms share, fields of `tertulia.settings.Settings`.
        weight: Price of an injected token whose context came from the cache, in generated tokens.
        identify: Whether free thoughts are held against the language of the question.
        share: Whether arms share their beginnings.
    """

    task: str
    methods: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    circles: int = 1
    seed: int = 1
    where: Where = field(default_factory=Where)
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = CACHED_WEIGHT
    identify: bool = False
    share: bool = True

    @property
    def identity(self) -> dict[str, Any]:
        """What is asked for that must be the same for it to go on; methods may be added and prices changed."""
        asked = asdict(self) | {"engine": self.where.engine, "model": self.where.model}
        for name in ("methods", "where", "weight"):
            del asked[name]
        if not self.identify:
            del asked["identify"]
        plain: dict[str, Any] = json.loads(json.dumps(asked, default=str))
        return plain


@dataclass(frozen=True)
class Outcome:
    """What came of an evaluation.

    Attributes:
        comparison: The arms side by side.
        logs: Inspect's log of each arm.
        failed: Circles that ended in an error, and the first of these errors.
    """

    comparison: Comparison
    logs: Mapping[str, Path]
    failed: tuple[int, str]


def run(asked: Evaluation, folder: Path, *, display: str = "none", tell: Tell = print) -> Outcome:
    """Runs an evaluation, or goes on with it.

    Args:
        asked: What to evaluate.
        folder: Where logs and journals are kept.
        display: Inspect's display: "full", "rich", "plain" or "none".
        tell: Is given a line at the beginning of each arm.

    Raises:
        TertuliaError: An argument is wrong, the folder belongs to another evaluation or holds other questions, another
            command is at work there, or every circle failed.
    """
    if not asked.methods:
        raise TertuliaError("there is no method to evaluate: give at least one, such as leap and independent")
    if asked.circles < 1:
        raise TertuliaError(f"{asked.circles} circles of a question: expected 1 or more")
    check_weight(asked.weight)
    wanted = arms(asked.methods)
    questions = tasks.load(asked.task, seed=asked.seed, **asked.options)
    mine, languages_told = asyncio.run(_examine(asked, wanted, questions[0]))
    check_folder(folder, mine, *MARK)
    if not languages_told:
        tell(MISSING)
    with working_in(folder):
        mark_folder(folder, mine, *MARK)
        keep_questions(folder, questions)
        return _run(asked, wanted, questions, folder, display, tell)


def _run(
    asked: Evaluation, wanted: Sequence[Arm], questions: Sequence[Question], folder: Path, display: str, tell: Tell
) -> Outcome:
    records: dict[str, list[CircleRecord]] = {}
    logs: dict[str, Path] = {}
    failed: list[str] = []
    for one in wanted:
        tell(f"{one.label}: {len(questions)} questions, {asked.circles} circle{'s' * (asked.circles > 1)} each")
        informed = false_rate(one, wanted, records)
        spends = spends_of(records) if one.reference else budgets_of(wanted, records) if one.name == LONGER else {}
        logs[one.label], records[one.label], errors = run_arm(asked, one, informed, questions, spends, folder, display)
        failed += errors
        if not records[one.label]:
            raise TertuliaError(f"every circle of {one.label} failed: {errors[0] if errors else 'no sample was run'}")
    ordered = {text: records[text] for text in dict.fromkeys(asked.methods)}
    outcome = Outcome(compare(ordered, weight=asked.weight, seed=asked.seed), logs, (len(failed), (failed or [""])[0]))
    write_json(folder / "comparison.json", outcome.comparison.to_json())
    return outcome


def keep_questions(folder: Path, questions: Sequence[Question]) -> None:
    """Writes down what is asked, with all that belongs to it, or finds that it was asked here before.

    Args:
        folder: Of an evaluation, or of an arm of a sweep.
        questions: In their order; those that are beyond the ones of before, or are missing at their end, are no others.

    Raises:
        TertuliaError: Others were asked here: a file of questions was changed. One line.
    """
    here = json.loads(json.dumps([asdict(question) for question in questions]))
    try:
        there = json.loads((folder / QUESTIONS).read_text("utf-8"))
    except (OSError, ValueError):
        there = []  # not there, or torn before anything was asked
    for old, new in zip(there, here, strict=False):
        if old != new and not isinstance(old, str):  # older folders hold texts alone
            raise TertuliaError(
                f"{folder} holds answers to other questions: {new['id']} is not what it was; "
                "give the questions of before, or another folder"
            )
    if len(here) >= len(there):
        write_json(folder / QUESTIONS, here)


async def _examine(asked: Evaluation, wanted: Sequence[Arm], question: Question) -> tuple[dict[str, Any], bool]:
    """Finds out before hours are spent whether the engine runs and every arm's settings can be.

    Returns:
        What must be the same for the evaluation to go on, the model that the engine has and its profile too; and
        whether languages of thought will be told, or nobody asks for them.
    """
    from tertulia.evaluation.bench import Bench

    async with Bench(asked.where.at(at_once=1)) as bench:
        found = [bench.settings(one, {"seed": asked.seed, **asked.settings}, question) for one in wanted]
        asks = asked.identify or any(settings.thought_languages for settings in found)
        info, profile = bench.engine.info, bench.profile.model_dump_json(exclude_defaults=True)
        mark = hashlib.blake2b(profile.encode(), digest_size=8).hexdigest()
        mine = asked.identity
        mine["options"].pop("limit", None)  # of the same questions there may be more, or fewer: `keep_questions`
        mine |= {"model": info.model, "mode": info.mode, "profile": mark}
        return mine, not asks or told(question, bench.profile)


def spends_of(records: Mapping[str, Sequence[CircleRecord]]) -> dict[str, float]:
    """For each question the tokens that the dearest circle of any arm took, injected ones counted in full."""
    spends: dict[str, float] = {}
    for circles in records.values():
        for circle in circles:
            spends[circle.question] = max(spends.get(circle.question, 0.0), float(circle.generated + circle.injected))
    return spends


def budgets_of(wanted: Sequence[Arm], records: Mapping[str, Sequence[CircleRecord]]) -> dict[str, float]:
    """For each question the tokens that a circle of the first arm with meetings generated, the mean of its circles."""
    met = next((records[one.label] for one in wanted if one.meets), ())
    spent: dict[str, list[int]] = {}
    for circle in met:
        spent.setdefault(circle.question, []).append(circle.generated)
    return {question: mean(tokens) for question, tokens in spent.items()}


def false_rate(one: Arm, wanted: Sequence[Arm], records: Mapping[str, Sequence[CircleRecord]]) -> dict[str, str]:
    """For false markers: the rate at which peers were really seen to differ; nothing where no arm tells."""
    if one.name != "false" or "control" in one.settings:
        return {}
    met = [circle for other in wanted if other.name == "leap" for circle in records.get(other.label, ())]
    pairs = sum(circle.pairs for circle in met)
    return {"control": f"false={sum(circle.differed for circle in met) / pairs:.4f}"} if pairs else {}


def _samples(asked: Evaluation, questions: Sequence[Question], spends: Mapping[str, float]) -> list[Any]:
    """The questions as samples of Inspect, each with what a circle must know of it."""
    from tertulia.evaluation import plugin

    shared = {plugin.IDENTIFY: True} if asked.identify else {}
    further = [shared | ({"spend": spends[one.id]} if one.id in spends else {}) for one in questions]
    return [plugin.sample_of(one, **facts) for one, facts in zip(questions, further, strict=True)]


def run_arm(
    asked: Evaluation,
    one: Arm,
    informed: Mapping[str, Any],
    questions: Sequence[Question],
    spends: Mapping[str, float],
    folder: Path,
    display: str,
) -> tuple[Path, list[CircleRecord], list[str]]:
    """One arm through Inspect: its log, its circles, and the errors of those that failed.

    Args:
        asked: The evaluation it is part of.
        one: The arm.
        informed: Settings that the arms before it tell, such as the rate of false markers.
        questions: What is asked, kept in the folder (`keep_questions`).
        spends: Tokens that independent paths have to come to at least, or that one longer path has, by question.
        folder: Where the arm's folder is made.
        display: Inspect's display.
    """
    from inspect_ai import Epochs, Task, eval_set
    from inspect_ai.dataset import MemoryDataset

    from tertulia.evaluation import plugin

    solver = plugin.arm_solver(
        one.label,
        **asked.where.model_dump(),
        journals=str(folder / one.slug / "-".join(("journals", *informed.values()))),
        seed=asked.seed,
        settings={**asked.settings, **informed},
        beginnings=str(folder / BEGINNINGS) if asked.share else None,
        questions=str(folder / QUESTIONS),
    )
    task = Task(
        dataset=MemoryDataset(_samples(asked, questions, spends), name=asked.task),
        solver=solver,
        scorer=plugin.circle(),
        epochs=Epochs(asked.circles, "mean"),
        name=asked.task,
        metadata={"arm": one.label, "settings": {**one.settings, **informed}, "evaluation": asked.identity},
    )
    # Inspect greets on standard output whatever the display is; what goes wrong is in the log.
    with quiet(), redirect_stdout(io.StringIO() if display == "none" else without_tracebacks(sys.stdout)):
        _, found = eval_set(
            task,
            log_dir=str(folder / one.slug / "logs"),
            model="none",
            retry_attempts=0,
            display=display,  # type: ignore[arg-type]
            max_samples=asked.where.at_once,
            fail_on_error=MOST_FAILURES,
            log_level="error",
            log_dir_allow_dirty=True,  # the same evaluation with another --at-once is another set to Inspect
            score_display=False,
        )
    # An earlier run may have asked more.
    kept = read(Path(found[0].location.removeprefix("file://")), {question.id for question in questions})
    return kept.file, kept.circles, kept.errors


@dataclass(frozen=True)
class Log:
    """What a log of Inspect holds of an arm.

    Attributes:
        file: The log.
        arm: Label of the arm.
        task: Name of the task.
        circles: Its circles, in the order of the samples.
        questions: By id what was asked, and the right answer.
        errors: The errors of samples that failed.
    """

    file: Path
    arm: str
    task: str
    circles: list[CircleRecord]
    questions: dict[str, tuple[str, str]]
    errors: list[str]


def read(file: Path, only: Container[str] | None = None) -> Log:
    """Reads a log of Inspect.

    Args:
        file: The log.
        only: Ids of the questions that are asked for; None for all.

    Raises:
        TertuliaError: The file is no such log, or holds no circle of Tertulia.
    """
    from inspect_ai.log import read_eval_log

    from tertulia.evaluation.plugin import RECORD

    try:
        log = read_eval_log(str(file))
    except Exception as error:  # whatever Inspect stumbles over, the file is no log
        raise TertuliaError(f"{file} is no log of Inspect: {error}; give a file that ends in .eval or .json") from error
    circles, questions, errors = [], {}, []
    for sample in log.samples or []:
        if only is not None and str(sample.id) not in only:
            continue
        if sample.error is not None:
            errors.append(sample.error.message.strip().splitlines()[-1] if sample.error.message else "failed")
        score = (sample.scores or {}).get("circle")
        if score is not None and score.metadata and RECORD in score.metadata:
            circles.append(CircleRecord.from_json(score.metadata[RECORD]))
            questions[circles[-1].question] = (str(sample.input), str(sample.target))
    label = (log.eval.metadata or {}).get("arm") or (log.eval.solver or "unknown").rpartition("/")[2]
    return Log(file, str(label), log.eval.task.rpartition("/")[2], circles, questions, errors)


def find_logs(places: Sequence[Path]) -> list[Path]:
    """The logs of arms under these places: files as they are, in folders the newest log of each arm.

    Raises:
        TertuliaError: A place is not there, or holds no log.
    """
    found: list[Path] = []
    for place in places:
        if place.is_file():
            found.append(place)
            continue
        if not place.is_dir():
            raise TertuliaError(f"there is no log {place}: give a log of Inspect, or a folder with logs")
        folders: dict[Path, Path] = {}
        files = [*place.rglob("*.eval"), *place.rglob("logs/*.json")]
        for file in sorted(files, key=lambda file: file.stat().st_mtime):
            if file.name not in ("logs.json", "eval-set.json"):
                folders[file.parent] = file
        if not folders:
            raise TertuliaError(f"{place} holds no log of Inspect: run tertulia eval --log-dir {place} first")
        found += folders.values()
    return found


def from_logs(places: Sequence[Path], *, weight: float = CACHED_WEIGHT, seed: int = 1) -> Comparison:
    """The comparison of the arms that logs hold: what `tertulia compare` prints.

    Args:
        places: Logs, or folders with logs.
        weight: Price of an injected token whose context came from the cache, in generated tokens.
        seed: Of bootstrap and sub-sampling.

    Raises:
        TertuliaError: There is no log, one is damaged, they are of different tasks or questions, or the weight is none.
    """
    check_weight(weight)
    logs = [read(file) for file in find_logs(places)]
    named = {log.task for log in logs}
    if len(named) > 1:
        raise TertuliaError(f"the logs are of different tasks, {', '.join(sorted(named))}: compare logs of one task")
    records: dict[str, list[CircleRecord]] = {}
    asked: dict[str, tuple[str, str]] = {}
    for log in logs:
        if not log.circles:
            raise TertuliaError(f"{log.file} holds no circle of Tertulia: compare logs of tertulia's solvers")
        for name, question in log.questions.items():
            if asked.setdefault(name, question) != question:
                was = f"{name} in {log.file} is another question than in the logs before it"
                raise TertuliaError(f"{was}: compare logs of the same questions")
        label = log.arm if log.arm not in records else f"{log.arm} ({log.file.stem})"
        records[label] = log.circles
    return compare(records, weight=weight, seed=seed)
