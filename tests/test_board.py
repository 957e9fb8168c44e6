"""Board mode: who runs ahead lets half of its peers catch up before it closes its thought, and nobody waits for one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from circles import tell
from tertulia.engines.base import EngineError
from tertulia.engines.scripted import Fault, ScriptedEngine

P0, P1, P2 = "q0/c0/p0", "q0/c0/p1", "q0/c0/p2"
WRONG = "1) 1+1=3\n2) 3+5=8\n</think>"


def late(step: int) -> list[str]:
    """A path that comes to its second step after so many lines of looking on."""
    return ["1) 1+1=2\n" + "I look on.\n" * step + "2) 2+5=7\n</think>", "\\boxed{7}<|end|>"]


async def test_in_board_mode_a_path_that_ran_ahead_lets_half_of_its_peers_catch_up_before_it_closes() -> None:
    fast = [WRONG, "Again: 1) add 1\n1) 1+1=2\n2) 2+5=7\n</think>", "\\boxed{7}<|end|>"]
    slow = {f"q0/c0/p{path}": late(1) for path in range(1, 5)}
    faults: dict[str, Any] = {name: [Fault("stall", seconds=0.05 * place)] for place, name in enumerate(slow, 1)}
    faults["q0/c0/p4"] = [Fault("stall", seconds=0.6)]
    asked = {"paths": 5, "every": 0, "last_call": 1, "budget": 200, "mode": "board"}
    told = await tell(ScriptedEngine({P0: fast, **slow}, faults=faults), **asked)
    heard = [span.text for span in told.outcome.paths[0].spans if span.kind == "heard"]
    assert heard == ["<peers>step 1: you 3, 2 of 2 have 2</peers>\n"], "of two, and no more"
    assert told.outcome.paths[0].answer == "7"
    order = [event.path for event in told.events if event.kind == "answer"]
    assert order.index(0) < order.index(4), "one path that hangs holds nobody up"


@pytest.mark.parametrize("where", ["summary", "heard"])
async def test_a_path_that_ran_ahead_goes_on_when_its_peers_have_failed(where: str) -> None:
    class Deaf(ScriptedEngine):
        async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
            if where == "heard" and "<peers>" in text:
                raise EngineError("it hears nothing")
            return await super().tokenize(text, special=special)

    slow = ["1) 1+1=3\nI look on and on, and on.\n" + "So on.\n" * 9, "1=3</summarize>"]
    wait, fail = Fault("stall", seconds=0.1), Fault("error") if where == "summary" else None
    engine = Deaf(
        {P0: [WRONG, "\\boxed{8}<|end|>"], P1: slow, P2: slow}, faults={name: [wait, fail] for name in (P1, P2)}
    )
    told = await asyncio.wait_for(tell(engine, paths=3, every=40, last_call=1, budget=300, mode="board"), 5)
    assert [path.place for path in told.outcome.paths] == ["finished", "failed", "failed"]
    assert told.outcome.paths[0].answer == "8"
