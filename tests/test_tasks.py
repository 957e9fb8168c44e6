"""Benchmarks by name: the hub at its commits, the world, and the arguments of all. All questions are invented."""

import json
import re
import sys
import types

import pytest

from task_files import COMMIT, METAL, SUMS, refused, triples
from tertulia.errors import TertuliaError
from tertulia.tasks import BENCHMARKS, Benchmark, load
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import problem

# The hub


class Hub:
    """Stands in for `datasets`: gives rows, or raises, and keeps what it was asked for."""

    def __init__(self, monkeypatch, result):
        self.asked = None
        self.result = result
        module = types.ModuleType("datasets")
        module.load_dataset = self.load_dataset
        monkeypatch.setitem(sys.modules, "datasets", module)

    def load_dataset(self, name, config=None, *, split, revision):
        self.asked = (name, config, split, revision)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("aime2024", ("HuggingFaceH4/aime_2024", "default", "train", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a")),
        ("aime2025", ("math-ai/aime25", "default", "test", "563bb8404243c5f09de6ec262f2db674fe5bce9b")),
        ("math500", ("HuggingFaceH4/MATH-500", "default", "test", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be")),
        ("gsm8k", ("openai/gsm8k", "main", "test", "cc7b047b6e5bb11b4f1af84efc572db110a51b3c")),
        ("svamp", ("ChilleD/SVAMP", "default", "train+test", "5e0bf1e5e7c0e9c4bc39180d224f41f3f801b7ef")),
        ("mawps", ("MU-NLPC/Calc-mawps", "default", "test", "38c10053efeafd20ab6ff4e08c3ec17de26c19b7")),
        ("aqua", ("deepmind/aqua_rat", "raw", "test", "33301c6a050c96af81f63cad5562cb5363e88971")),
        ("gpqa-diamond", ("Idavidrein/gpqa", "gpqa_diamond", "train", "633f5ee89ab8ad4522a9f850766b73f62147ffdd")),
    ],
)
def test_the_hub_is_asked_for_a_pinned_commit_or_for_the_one_that_is_named(monkeypatch, task, asked):
    sums = [{"question": row["problem"], "result_float": float(row["answer"]), **row} for row in SUMS]
    hub = Hub(monkeypatch, [METAL] if task in ("gpqa-diamond", "aqua") else sums)
    assert load(task)[0].text.startswith("Wh")
    assert hub.asked == asked
    load(task, revision=COMMIT)
    assert hub.asked == (*asked[:3], COMMIT)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_aime_2024_is_there_in_every_language_at_a_commit_that_has_to_be_named(monkeypatch, language):
    column = "zh-cn" if language == "zh" else language
    # Here "id" is Indonesian.
    rows = [{"en": f"ask {n}", "id": "tanya", column: f"{language} {n}", "answer": 7} for n in range(3)]
    hub = Hub(monkeypatch, rows)
    assert refused(None, "aime2024", language=language) == (
        "no commit of amphora/MCLM is pinned for aime2024: give revision=COMMIT, or --data FILE"
    )
    assert hub.asked is None
    found = load("aime2024", language=language, revision=COMMIT)
    assert hub.asked == ("amphora/MCLM", "MT-AIME2024", "test", COMMIT)
    assert triples(found) == [(str(n + 1), f"{language} {n}", "7") for n in range(3)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_mgsm_has_a_config_for_each_language_and_its_answer_in_a_column_of_its_own(monkeypatch, language):
    row = {"question": "1 + 1?", "answer": "Step by step: 2.", "answer_number": 2, "equation_solution": "1+1"}
    hub = Hub(monkeypatch, [row])
    assert triples(load("mgsm", language=language)) == [("1", "1 + 1?", "2")]
    assert hub.asked == ("juletxara/mgsm", language, "test", "b2f13d426afe3be8d69a7e739b36724db8b66bbc")


def test_a_column_that_the_hub_does_not_have_is_named(monkeypatch):
    Hub(monkeypatch, [{"en": "ask", "answer": 7}])
    assert refused(None, "aime2024", language="th", revision=COMMIT).startswith(
        "amphora/MCLM, row 1: the question (one of problem, question, "
        "prompt, input, query, question_stem, s_question) is missing; the fields there are answer"
    )


@pytest.mark.parametrize("revision", ["main", "2fe88a2", COMMIT.upper(), 7])
def test_a_branch_is_no_commit(monkeypatch, revision):
    hub = Hub(monkeypatch, SUMS)
    said = refused(None, "aime2025", revision=revision)
    assert said.startswith(f"revision is {revision!r}: expected a commit of math-ai/aime25, 40 hex digits")
    assert hub.asked is None


def test_a_hub_that_cannot_be_reached_sends_to_a_file(monkeypatch):
    Hub(monkeypatch, ConnectionError("Couldn't reach 'x' on the Hub\n(offline)"))
    assert refused(None, "math500") == (
        "math500 could not be loaded from the hub (HuggingFaceH4/MATH-500 at 6e4ed1a2: Couldn't reach 'x' on the Hub "
        "(offline)): give the questions with --data FILE"
    )
    assert "gated" not in refused(None, "gpqa-diamond")


def test_a_gated_set_says_where_to_accept_its_terms(monkeypatch):
    Hub(monkeypatch, FileNotFoundError("Dataset 'x' is a gated dataset on the Hub. " + "Ask. " * 100))
    said = refused(None, "gpqa-diamond")
    assert said.startswith("gpqa-diamond could not be loaded from the hub (Dataset 'x' is a gated dataset on the Hub.")
    assert said.endswith(
        "Idavidrein/gpqa is gated, so accept its terms at https://huggingface.co/datasets/Idavidrein/gpqa and log in "
        "(hf auth login), or give --data FILE"
    )
    assert len(said) < 400


def test_without_the_extra_the_hub_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refused(None, "aime2024") == (
        "aime2024 from the hub needs the extra eval: pip install 'tertulia[eval]', or give --data FILE"
    )


def test_what_is_not_on_the_hub_says_where_a_file_comes_from(monkeypatch):
    hub = Hub(monkeypatch, SUMS)
    assert refused(None, "aimo2025") == (
        "aimo2025 has no set on the hub: give --data FILE (reference.csv of the AIMO Progress Prize 2, from Kaggle)"
    )
    assert refused(None, "math500", language="sw") == (
        "no set of math500 in the language 'sw' is known: give translated questions, --data FILE"
    )
    assert hub.asked is None


def test_every_pinned_commit_is_a_commit():
    for benchmark in BENCHMARKS.values():
        for hub in [benchmark.hub, *benchmark.translations.values()]:
            assert hub is None or hub.revision is None or re.fullmatch("[0-9a-f]{40}", hub.revision)


# The world


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_world_asks_the_same_problems_in_every_language(language):
    found = load("world", language=language, limit=3, first=15)
    for seed, question in zip(range(15, 18), found, strict=True):
        drawn = problem(seed)
        assert question.id == f"{language}-default-{seed}"
        assert (question.text, question.gold) == (drawn.question(language), str(drawn.answer))
        assert question.data == {
            "seed": seed,
            "difficulty": "default",
            "split": "test",
            "steps": [str(state) for state in drawn.states],
        }
        assert json.loads(json.dumps(question.data)) == question.data


def test_the_world_has_200_questions_of_any_difficulty_and_split():
    found = load("world", difficulty="easy")
    assert [question.data["seed"] for question in found] == list(range(200))
    dev = load("world", difficulty="long", split="dev", limit=2)
    assert [question.id for question in dev] == ["en-long-dev-0", "en-long-dev-1"]
    assert [question.text for question in dev] == [problem(seed, "long", "dev").question() for seed in range(2)]


# Arguments


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        ("aime2023", {}, "unknown task 'aime2023': expected one of aime2024, aime2025, aimo2025, aqua, gpqa-diamo"),
        ("world", {"language": "it"}, "unknown language 'it': expected one of en, bn, de"),
        ("world", {"limit": 0}, "limit is 0: expected a number of questions, at least 1"),
        ("world", {"limit": "5"}, "limit is '5': expected a number of questions, at least 1"),
        ("world", {"revision": COMMIT}, "unknown option 'revision' of world: use one of difficulty, split, first"),
        ("world", {"difficulty": "hard"}, "unknown difficulty 'hard': expected one of "),
        ("world", {"split": "all"}, "unknown split 'all': expected one of train, dev, test"),
        ("world", {"first": "a"}, "first is 'a': expected the first seed, a whole number"),
        ("world", {"data": "q.json"}, "world makes its questions and reads no file: leave out --data q.json"),
        ("math500", {"difficulty": "easy"}, "unknown option 'difficulty' of math500: use one of revision"),
        ("aimo2025", {"revision": COMMIT}, "unknown option 'revision' of aimo2025: it has none"),
        (
            "math500",
            {"data": "q.json", "revision": COMMIT},
            "revision is for the hub, and q.json is a file: leave one ",
        ),
    ],
)
def test_a_wrong_argument_is_said_in_one_line(task, arguments, said):
    with pytest.raises(TertuliaError) as caught:
        load(task, **arguments)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_benchmark_of_ones_own_is_given_as_it_is_or_found_by_its_name(tmp_path, monkeypatch):
    path = tmp_path / "riddles.json"
    path.write_text('[{"scene": "Ada has 3 jars", "question": "How many?", "answer": "1,003"}]')
    mine = Benchmark(name="riddles", title="my riddles", numeric=True, story=("scene",))
    (question,) = load(mine, data=path)
    assert (question.text, question.gold) == ("Ada has 3 jars. How many?", "1003")
    assert refused(path, "riddles").startswith("unknown task 'riddles'")
    monkeypatch.setitem(BENCHMARKS, "riddles", mine)
    assert load("riddles", data=path) == [question]


def test_the_command_and_inspect_know_every_task():
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    from tertulia.cli.evaluation import TASKS as NAMED
    from tertulia.evaluation.plugin import TASKS

    assert NAMED.split(", ") == list(TASKS) == list(BENCHMARKS)


def test_tasks_need_nothing_heavy():
    import subprocess

    code = "import sys, tertulia.tasks; print([m for m in ('datasets', 'pyarrow', 'math_verify') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
