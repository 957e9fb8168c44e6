"""A run that the journal tests kill: `python journal_child.py FILE STEPS` does its steps, eight at a time.

It prints "ran KEY" when a step is done and "kept KEY VALUE" when `once` has returned its value, and at the
end "done". The value is drawn afresh by each execution, so a step done again cannot go unnoticed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from tertulia.journal import Journal


def say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


async def main(path: str, steps: int) -> None:
    places = asyncio.Semaphore(8)

    async def step(key: str) -> dict[str, Any]:
        await asyncio.sleep(0.001)
        value = os.urandom(6).hex()
        say("ran", key)
        return {"value": value, "tokens": [0] * 5000}

    async def keep(key: str) -> None:
        async with places:
            record = await journal.once(key, lambda: step(key))
            say("kept", key, record["value"])

    async with Journal.open(path, {"steps": steps}) as journal:
        await asyncio.gather(*(keep(f"q{n}") for n in range(steps)))
    say("done")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
