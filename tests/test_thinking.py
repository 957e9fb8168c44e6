"""Thinking languages: what leads a thought there, whose words are put into it, and which language it is really in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import pytest

from circles import PEBBLE, QUESTION, Told, tell
from tertulia.api import header, solve_with
from tertulia.circle.path import Path, Span, SpanKind
from tertulia.circle.run import voices
from tertulia.engines.base import EngineInfo
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation import thinking
from tertulia.evaluation.arms import arm
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.records import CircleRecord, PathRecord, Spoken
from tertulia.evaluation.thinking import own_thought, rates
from tertulia.evaluation.where import Where
from tertulia.model import Profile
from tertulia.settings import resolve
from tertulia.tasks.question import Question
from tertulia.wording import Wording

FULL = Profile(name="small", wording="paper", summary_tokens=40, answer_tokens=12)
TONGUES = ("en", "de", "sw")
P = [f"q0/c0/p{path}" for path in range(4)]
WORLD = Question("en-default-1", QUESTION, "161", "math", data={"steps": ["93", "161"]})
TEXT = Question("x", "How many apples are left?", "7", "math")


def spans(told: Told, path: int, *kinds: str) -> list[str]:
    return [span.text for span in told.outcome.paths[path].spans if span.kind in kinds]


def words(name: str, code: str) -> Wording:
    return Wording.load(name, code)


# --- what can be asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            {"tongues": "en,de", "thinking_language": "sw"},
            "tongues are 'en,de' and thinking_language is 'sw': give one",
        ),
        ({"tongues": "en,de", "method": "moa"}, "tongues are 'en,de', but the method moa has none"),
        ({"tongues": "en,de,sw", "paths": 2}, "tongues are 'en,de,sw', 3 for 2 paths"),
        ({"tongues": ()}, "give at least one, and as many paths as tongues"),
        ({"tongues": "en,xx"}, "unknown language 'xx' in tongues: use some of bn, de"),
        ({"thinking_language": "xx"}, "unknown language 'xx' in thinking_language: use some of bn, de"),
        (
            {"thinking_by": "prompt"},
            "thinking_by is 'prompt', but thoughts are free: give thinking_language or tongues",
        ),
        ({"thinking_language": "de", "thinking_by": "sign"}, "unknown thinking_by 'sign': use one of sentence, prompt"),
    ],
)
def test_a_thinking_language_that_cannot_be_is_said_in_one_line(asked: dict[str, Any], line: str) -> None:
    with pytest.raises(TertuliaError, match=line) as caught:
        resolve(Profile(), asked)
    assert "\n" not in str(caught.value)


def test_tongues_come_with_commas_from_the_shell_and_take_turns() -> None:
    settings = resolve(Profile(), {"tongues": "en, de", "paths": 3})
    assert settings.tongues == settings.thought_languages == ("en", "de")
    assert resolve(Profile(), {"thinking_language": "sw"}).thought_languages == ("sw",)
    assert resolve(Profile(), {}).thought_languages == ()
    assert arm("leap:tongues=en+de+sw").asked({})["tongues"] == ("en", "de", "sw")


def test_a_journal_is_for_the_words_of_every_tongue() -> None:
    settings = resolve(PEBBLE, {"tongues": TONGUES, "paths": 3})
    own = words("pebble", "en")
    spoken = voices(PEBBLE, settings, own)
    assert [one.language for one in spoken] == list(TONGUES)
    info = EngineInfo(name="scripted", url="", model="m", context=99, mode="ids", end_ids=())

    def told(*said: Wording) -> str:
        return str(header(info, PEBBLE, "q", settings, (own, *said))["words"])

    changed = replace(spoken[2], step_agree="sawa")
    assert told(*spoken) != told(spoken[0], spoken[1], changed)


async def test_a_run_does_not_go_on_with_other_words_in_one_of_its_tongues(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = resolve(PEBBLE, {"tongues": TONGUES, "paths": 3, "doubt": 0.0})
    journal = tmp_path / "run"
    first = await solve_with(ScriptedEngine(), PEBBLE, QUESTION, settings, journal=journal)
    again = await solve_with(ScriptedEngine(), PEBBLE, QUESTION, settings, journal=journal)
    assert again.votes == first.votes

    def other(*asked: Any) -> tuple[Wording, ...]:
        return tuple(replace(one, thinking="?\n") if one.language == "sw" else one for one in voices(*asked))

    monkeypatch.setattr("tertulia.api.voices", other)
    with pytest.raises(TertuliaError, match="words: journal"):
        await solve_with(ScriptedEngine(), PEBBLE, QUESTION, settings, journal=journal)


# --- what a path is led by, and hears -------------------------------------------------------------------


def script(*plans: str) -> dict[str, list[str]]:
    """Path 1 has another result at its first step than all others."""
    return {
        P[path]: [f"1) {plan} 1\n1) 1+1={3 if path == 1 else 2}\n{'x' * 60}", f"1={3 if path == 1 else 2}</summarize>",
                  "2) 2+3=5\n</think>", "\\boxed{5}<|end|>"]
        for path, plan in enumerate(plans)
    }  # fmt: skip


async def test_claims_are_heard_across_tongues_each_told_in_the_hearers_own() -> None:
    told = await tell(
        ScriptedEngine(script("add", "dazu", "ongeza", "add")), paths=4, every=40, last_call=0, tongues=TONGUES
    )
    heard = [spans(told, path, "heard")[0] for path in range(4)]
    assert "Schritt 1: du 3, 3 von 3 mit 2" in heard[1], "what three heard in English and Swahili, in German"
    assert words("pebble", "en").step_agree in heard[0]
    assert words("pebble", "sw").step_agree in heard[2]
    assert heard[3] == heard[0], "the fourth path has the first tongue again"
    for path, code in enumerate((*TONGUES, "en")):
        assert spans(told, path, "cue")[0] == words("pebble", code).thinking


@pytest.mark.parametrize("by", ["sentence", "prompt"])
async def test_cues_prompt_and_what_is_heard_are_in_the_paths_own_tongue(by: str) -> None:
    ours = {P[path]: ["So far. And now on and on. ", f"It is \\boxed{{{2 + path}}}.</summarize>", "Good.</think>",
                      f"\\boxed{{{2 + path}}}<|end|>"] for path in range(3)}  # fmt: skip
    told = await tell(
        ScriptedEngine(ours), profile=FULL, paths=3, every=12, last_call=0, budget=400, tongues=TONGUES, thinking_by=by
    )
    asked = words("paper", "en")
    for path, code in enumerate(TONGUES):
        own = words("paper", code)
        prompt, opening, cue = spans(told, path, "prompt")[0], spans(told, path, "cue")[0], spans(told, path, "cue")[1]
        assert asked.question.partition("}")[2] in prompt and asked.instruction.strip() in prompt, "as the question"
        assert (own.think_in.strip() in prompt) == (by == "prompt")
        assert opening == (own.thinking if by == "sentence" else "") + own.thought_start
        assert cue in own.cues
        heard = spans(told, path, "heard")[0]
        assert own.answer_differ.partition("{mine}")[0] in heard and heard.endswith(own.check)
        assert own.quote.partition("{peer}")[0] in heard


async def test_a_free_thought_has_the_words_of_the_question() -> None:
    told = await tell(ScriptedEngine(script("dazu", "dazu", "dazu")), paths=3, every=40, last_call=0, language="de")
    assert not any(words("pebble", code).thinking in "".join(spans(told, 0, "cue")) for code in TONGUES)
    assert "Schritt 1" in spans(told, 1, "heard")[0]


async def test_independent_paths_are_led_too_and_told_of_no_meeting() -> None:
    told = await tell(ScriptedEngine(script("add", "dazu", "ongeza")), method="independent", paths=3, tongues=TONGUES)
    assert [spans(told, path, "cue")[0] for path in range(3)] == [words("pebble", code).thinking for code in TONGUES]
    led = await tell(profile=FULL, method="independent", paths=2, tongues="de,sw", thinking_by="prompt")
    assert words("paper", "de").think_in in spans(led, 0, "prompt")[0]
    assert words("paper", "sw").think_in in spans(led, 1, "prompt")[0]
    assert not led.outcome.meetings and words("paper", "en").instruction not in spans(led, 0, "prompt")[0]


async def test_leap_single_exchanges_across_tongues() -> None:
    told = await tell(
        ScriptedEngine(script("add", "dazu", "ongeza")), method="leap-single", paths=3, every=40, tongues=TONGUES
    )
    survivor = next(path.index for path in told.outcome.paths if path.finished)
    own = words("pebble", TONGUES[survivor])
    assert own.step_agree in spans(told, survivor, "heard")[0]
    assert [spans(told, path, "cue")[0] for path in range(3)] == [words("pebble", code).thinking for code in TONGUES]


@pytest.mark.parametrize("by", ["sentence", "prompt"])
async def test_every_layer_of_moa_is_led_to_the_one_language(by: str) -> None:
    proposals = {P[path]: [f"</think>It is \\boxed{{{path}}}.<|end|>"] for path in range(3)}
    told = await tell(
        ScriptedEngine(proposals), profile=FULL, method="moa", paths=2, thinking_language="sw", thinking_by=by
    )
    own = words("paper", "sw")
    assert len(told.outcome.paths) == 3
    for path in range(3):
        assert (own.think_in in spans(told, path, "prompt")[0]) == (by == "prompt")
        assert (own.thinking in spans(told, path, "cue")) == (by == "sentence")


# --- which language a thought is in -----------------------------------------------------------------------


def test_only_what_a_path_thought_itself_is_its_thought() -> None:
    path = Path(0, "q/p0")
    kinds: list[tuple[SpanKind, str]] = [
        ("prompt", "Frage"), ("cue", "Deutsch:\n"), ("thought", "given, mine.\n"), ("summary", "Summe</summarize>"),
        ("heard", "<peers>Schritt</peers>"), ("thought", "more</think>gone"), ("answer", "Antwort"),
    ]  # fmt: skip
    path.spans = [Span(kind, (), text, 1) for kind, text in kinds]
    assert own_thought(path, "</think>", Span("thought", (), "given, ", 1)) == "mine.\n\nmore"
    assert own_thought(path).startswith("given")


async def record(
    plans: tuple[str, ...], question: Question = WORLD, *, model: str = "scripted", **asked: Any
) -> CircleRecord:
    """A circle whose paths write these plans, a path each."""

    def write(context: str, path: str, seed: int) -> str:
        return f"1) {plans[int(path[-1])]} 80\n1) 13+80=93\n</think>\\boxed{{93}}<|end|>"

    identify = asked.pop("identify", False)
    method = asked.pop("method", "independent")
    async with Bench(Where(model=model), made=ScriptedEngine(write)) as bench:
        settings = bench.settings(arm(method), {"paths": len(plans), **asked}, question)
        return (await bench.circle(question, settings, identify=identify))[1]


async def test_each_path_is_held_against_its_own_tongue() -> None:
    found = await record(("add", "dazu", "add", "add"), tongues=TONGUES)
    assert [path.spoken for path in found.paths] == [
        Spoken("en", "en", 0.0, 1), Spoken("de", "de", 0.0, 1), Spoken("sw", "en", 1.0, 1), Spoken("en", "en", 0.0, 1)
    ]  # fmt: skip
    assert [path.spoken.off_target for path in found.paths if path.spoken] == [False, False, True, False]


async def test_what_is_put_into_a_path_does_not_make_its_thought_off_target() -> None:
    found = await record(("dazu", "dazu", "dazu"), thinking_language="de", every=8, method="leap", summaries="written")
    assert found.effects, "they met"
    assert [path.spoken and path.spoken.off_target for path in found.paths] == [False] * 3


async def test_a_free_thought_is_judged_only_where_the_evaluation_asks() -> None:
    assert [path.spoken for path in (await record(("add", "dazu"))).paths] == [None, None]
    found = await record(("add", "dazu"), identify=True)
    assert [path.spoken and path.spoken.off_target for path in found.paths] == [False, True]


async def test_elsewhere_than_on_the_world_sentences_are_identified() -> None:
    pytest.importorskip("lingua", reason="needs the extra study")
    german = "Zuerst schauen wir, wie viele Äpfel noch im Korb liegen."
    english = "First we look at how many apples are still in the basket."
    found = await record((german, english), TEXT, model="other", thinking_language="de")
    assert [path.spoken and path.spoken.language for path in found.paths] == ["de", "en"]


async def test_without_lingua_nothing_is_guessed_and_the_world_is_exact_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinking, "find_spec", lambda name: None)
    assert [path.spoken for path in (await record(("add", "add"), TEXT, thinking_language="de")).paths] == [None, None]
    exact = await record(("dazu", "add"), thinking_language="de")
    assert [path.spoken and path.spoken.off_target for path in exact.paths] == [False, True]


def test_an_evaluation_says_once_that_languages_are_not_told(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    from tertulia.evaluation.evaluate import Evaluation, run

    monkeypatch.setattr(thinking, "find_spec", lambda name: None)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"problem": QUESTION, "answer": 161}) + "\n")
    lines: list[str] = []
    place = Where(engine="scripted", model="scripted")
    asked = Evaluation("math500", ("independent",), {"data": str(rows)}, where=place)
    run(asked, tmp_path / "free", tell=lines.append)
    assert thinking.MISSING not in lines
    run(replace(asked, settings={"thinking_language": "de"}), tmp_path / "led", tell=lines.append)
    assert lines.count(thinking.MISSING) == 1


def test_a_log_without_languages_is_read_as_before() -> None:
    one = PathRecord("1", True, True, 10, 0, 0, 1.0, spoken=Spoken("de", "en", 1.0, 2))
    whole = CircleRecord("a", 0, "1", "1", True, (one,), (one,))
    plain = json.loads(json.dumps(whole.to_json()))
    assert CircleRecord.from_json(plain) == whole
    for path in (*plain["paths"], *plain["further"]):
        del path["spoken"]
    assert CircleRecord.from_json(plain).paths[0].spoken is None


def test_rates_are_shares_of_the_paths_that_have_words() -> None:
    def circle(question: str, *said: tuple[str, str | None]) -> CircleRecord:
        paths = tuple(
            PathRecord("1", True, True, 10, 0, 0, 1.0, spoken=Spoken(target, language, float(target != language), 1))
            for target, language in said
        )
        return CircleRecord(question, 0, "1", "1", True, paths)

    circles = {
        "a": [circle("a", ("de", "de"), ("sw", "en"), ("sw", None))],
        "b": [circle("b", ("de", "de"), ("sw", "sw"))],
        "c": [circle("c", ("de", None))],
    }
    found = rates(circles)
    assert found is not None and found["off_target"].mean == pytest.approx(0.25)
    assert (found["judged"], found["silent"], found["off_target"].questions) == (4, 2, 2)
    swahili = rates(circles, "sw")
    assert swahili is not None and swahili["off_target"].mean == 0.5 and swahili["silent"] == 1
    assert rates({"c": circles["c"]}) is None
