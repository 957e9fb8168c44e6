"""Who hears whom: the promises that hold for every input, and what each policy prefers."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tertulia.circle import routing
from tertulia.circle.routing import ROUTERS, route, route_async, similarity
from tertulia.errors import TertuliaError

# Few letters, so that blanks, duplicates and ties are common.
summary = st.none() | st.text("ab \n", max_size=6)
answer = st.none() | st.sampled_from(["1", "2", "2.0", "4/2", " ", "x"])


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    summaries = draw(st.lists(summary, max_size=10))
    paths = len(summaries)
    return {
        "policy": draw(st.sampled_from(list(ROUTERS))),
        "summaries": summaries,
        "k": draw(st.integers(0, 12)),
        "seed": draw(st.integers(0, 1000)),
        "answers": draw(st.lists(answer, min_size=paths, max_size=paths)),
        "hearers": draw(st.none() | st.sets(st.integers(0, paths - 1)) if paths else st.none()),
        "max_heard": draw(st.none() | st.integers(1, 4)),
    }


def distance(a: str, b: str) -> int:
    """Levenshtein's distance as in the textbook, to check the library's against."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


# --- every policy ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(arguments())
def test_no_bad_message_travels(given_: dict[str, Any]) -> None:
    summaries, hearers, bound = given_["summaries"], given_["hearers"], given_["max_heard"]
    routes = route(**given_)
    assert len(routes) == len(summaries)
    heard: Counter[int] = Counter()
    for ear, peers in enumerate(routes):
        assert all(isinstance(peer, int) and 0 <= peer < len(summaries) for peer in peers)
        assert ear not in peers, "a path heard itself"
        assert len(set(peers)) == len(peers), "a peer was heard twice"
        texts = [(summaries[peer] or "").strip() for peer in peers]
        assert all(texts), "an empty summary was heard"
        assert len(set(texts)) == len(texts), "the same words were heard twice"
        if given_["policy"] != "all":
            assert len(peers) <= given_["k"]
        if hearers is not None and ear not in hearers:
            assert peers == []
        heard.update(peers)
    if bound is not None:
        assert max(heard.values(), default=0) <= bound


@settings(max_examples=200, deadline=None)
@given(arguments())
def test_a_path_hears_as_many_as_there_are(given_: dict[str, Any]) -> None:
    given_["max_heard"] = None
    texts = [(text or "").strip() for text in given_["summaries"]]
    for ear, peers in enumerate(route(**given_)):
        if given_["hearers"] is None or ear in given_["hearers"]:
            there = len({text for peer, text in enumerate(texts) if text and peer != ear})
            assert len(peers) == (there if given_["policy"] == "all" else min(given_["k"], there))


@settings(max_examples=100, deadline=None)
@given(arguments())
def test_nobody_is_left_without_a_peer_that_may_still_be_heard(given_: dict[str, Any]) -> None:
    given_["max_heard"] = bound = given_["max_heard"] or 1
    routes = route(**given_)
    heard = Counter(peer for peers in routes for peer in peers)
    texts = [(text or "").strip() for text in given_["summaries"]]
    ears = range(len(texts)) if given_["hearers"] is None else given_["hearers"]
    for ear in ears:
        if len(routes[ear]) < given_["k"]:
            told = {texts[peer] for peer in routes[ear]}
            free = [
                peer
                for peer, text in enumerate(texts)
                if text and peer != ear and text not in told and heard[peer] < bound
            ]
            assert free == []


@settings(max_examples=60, deadline=None)
@given(arguments())
def test_the_same_seed_gives_the_same_routes_on_and_off_the_event_loop(given_: dict[str, Any]) -> None:
    first = route(**given_)
    assert route(**given_) == first
    assert asyncio.run(route_async(**given_)) == first


@settings(max_examples=100, deadline=None)
@given(arguments())
def test_a_router_of_ones_own_cannot_make_a_path_hear_itself_a_blank_or_one_text_twice(given_: dict[str, Any]) -> None:
    everybody = list(range(len(given_["summaries"])))
    ROUTERS["careless"] = lambda ear: [everybody] * ear.k
    try:
        routes = route(**given_ | {"policy": "careless"})
    finally:
        del ROUTERS["careless"]
    for path, peers in enumerate(routes):
        texts = [(given_["summaries"][peer] or "").strip() for peer in peers]
        assert path not in peers and all(texts) and len(set(texts)) == len(texts) <= given_["k"]


def test_routes_are_the_same_on_every_machine() -> None:
    texts = ["ab", "abc", "xyz", "xy", None, "q"]
    assert route("random", texts, 2, seed=7) == [[1, 3], [0, 3], [1, 3], [1, 5], [5, 0], [1, 2]]
    assert route("random", texts, 2, seed=8) != route("random", texts, 2, seed=7)


def test_who_hears_does_not_depend_on_who_else_hears() -> None:
    texts = [f"{n} summary" for n in range(12)]
    together = route("random", texts, 3, seed=1)
    for ear in range(12):
        assert route("random", texts, 3, seed=1, hearers=[ear])[ear] == together[ear]
    assert len({tuple(peers) for peers in together}) > 6, "paths should draw apart"


def test_paths_choose_in_rounds_when_peers_are_scarce() -> None:
    routes = route("all", ["a", "b", "c", "d"], 3, seed=3, max_heard=1)
    assert max(len(peers) for peers in routes) == 1, "one path took what was left for others"


def test_another_seed_gives_the_first_choice_to_another() -> None:
    texts = ["aaaa", "aaab", "aaac", "zzzz"]
    lucky = {
        next(ear for ear, peers in enumerate(route("dispersed", texts, 1, seed=seed, max_heard=1)) if 3 in peers)
        for seed in range(30)
    }
    assert lucky == {0, 1, 2}


# --- policies -------------------------------------------------------------------------------------

LADDER = ["aaaaaaaa", "aaaaaaab", "aaaaaabb", "aaaaabbb", "aaaabbbb", "bbbbbbbb"]


def test_clustered_hears_the_most_similar_first() -> None:
    assert route("clustered", LADDER, 3, seed=0)[0] == [1, 2, 3]


def test_dispersed_hears_the_least_similar_first() -> None:
    assert route("dispersed", LADDER, 3, seed=0)[0] == [5, 4, 3]


def test_hybrid_hears_half_of_each_and_nobody_twice() -> None:
    assert route("hybrid", LADDER, 4, seed=0)[0] == [1, 5, 2, 4]
    assert route("hybrid", LADDER, 3, seed=0)[0] == [1, 5, 2]
    assert route("hybrid", LADDER, 9, seed=0)[0] == [1, 5, 2, 4, 3]


def test_all_hears_everybody_whatever_k() -> None:
    assert route("all", ["a", None, "b", "c"], 1, seed=0)[2] == [0, 3]


def test_peers_of_equal_similarity_take_turns() -> None:
    texts = ["aaaa", "bbbb", "cccc", "dddd"]
    assert {route("dispersed", texts, 1, seed=seed)[0][0] for seed in range(30)} == {1, 2, 3}


def test_a_path_without_a_summary_still_hears() -> None:
    assert sorted(route("dispersed", [None, "a", "b"], 2, seed=0)[0]) == [1, 2]


def test_answers_hears_each_other_answer_once_the_most_supported_first() -> None:
    texts = ["aaaa", "aaab", "aabb", "bbbb", "aaac", "cccc", "dddd"]
    claims = ["7", "9", "9", "9", "8", "16/2", "7"]
    # The most supported other answer is 9 (three paths), of its holders bbbb is the least similar; then 8,
    # held in two forms; then, all answers heard, the least similar of the rest.
    assert route("answers", texts, 2, seed=0, answers=claims)[0] == [3, 5]
    assert route("answers", texts, 3, seed=0, answers=claims)[0] == [3, 5, 6]


def test_answers_takes_another_holder_when_one_has_been_heard_enough() -> None:
    texts = ["aaaa", "aaab", "bbbb", "bbba"]
    routes = route("answers", texts, 1, seed=0, answers=["1", "1", "2", "2"], max_heard=1)
    assert {*routes[0], *routes[1]} == {2, 3} and {*routes[2], *routes[3]} == {0, 1}


def test_support_counts_paths_that_have_no_summary() -> None:
    texts = ["aaaa", "bbbb", "aaab", None, None]
    assert route("answers", texts, 1, seed=0, answers=["1", "2", "3", "3", "3"])[0] == [2]


def test_of_equally_supported_answers_the_less_similar_holder_speaks_first() -> None:
    assert route("answers", ["aaaa", "aaab", "bbbb"], 1, seed=0, answers=["1", "2", "3"])[0] == [2]


# --- similarity -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc", max_size=8), max_size=6), st.randoms(use_true_random=False))
def test_similarity_is_one_less_the_normalised_distance(texts: list[str], draw: Any) -> None:
    rows = [index for index in range(len(texts)) if draw.random() < 0.5]
    expected = [[1 - distance(a, b) / max(len(a), len(b), 1) for b in texts] for a in texts]
    assert similarity(texts).tolist() == expected, "to the last bit: ties must stay ties"
    found = similarity(texts, rows)
    assert found.shape == (len(rows), len(texts))
    assert found.tolist() == [expected[row] for row in rows]


# --- the event loop -------------------------------------------------------------------------------


async def test_big_inputs_are_compared_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[threading.Thread] = []
    compare = routing.similarity

    def watched(*given_: Any) -> Any:
        used.append(threading.current_thread())
        return compare(*given_)

    monkeypatch.setattr(routing, "similarity", watched)
    await route_async("dispersed", [f"{n}" * 300 for n in range(40)], 4, seed=0)
    assert used and used[0] is not threading.main_thread()


async def test_a_cancelled_routing_stops_comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, compare, begun = [], routing.cdist, threading.Event()

    def counted(*given_: Any, **named: Any) -> Any:
        rows.append(1)
        begun.set()
        return compare(*given_, **named)

    monkeypatch.setattr(routing, "cdist", counted)
    texts = [f"{n} " + "abcdefg" * 400 for n in range(300)]
    task = asyncio.create_task(route_async("dispersed", texts, 4, seed=0))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert 0 < len(rows) < len(texts), "the thread went on"


# --- what a user may get wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            {"policy": "nearest"},
            "unknown router 'nearest': use one of dispersed, clustered, hybrid, random, all, answers",
        ),
        ({"k": -1}, "a path cannot hear -1 peers"),
        ({"max_heard": 0}, "max_heard 0 lets nobody be heard"),
        ({"policy": "answers"}, "the router 'answers' needs the claimed answer of each path"),
        ({"answers": ["1"]}, "1 answers for 2 summaries"),
        ({"hearers": [2]}, "hearer 2 is not a path: there are 2, from 0"),
        ({"hearers": [-1]}, "hearer -1 is not a path"),
    ],
)
def test_wrong_arguments_get_one_line(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(TertuliaError) as caught:
        route(**{"policy": "random", "summaries": ["a", "b"], "k": 1, "seed": 0, **wrong})
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
