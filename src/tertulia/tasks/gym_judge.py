"""The judgement of reasoning-gym, out of the way: several of its generators evaluate an answer as a program.

So what could run for ever is judged in a child process with a limit, and what could call something by name is wrong
without being looked at. Plain words and numbers are judged here, at once.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from functools import lru_cache

from tertulia.errors import TertuliaError

LONGEST = 10_000
"""Characters beyond which an answer is wrong: no answer is that long, but a runaway box may be."""
CPU_SECONDS, WALL_SECONDS = 10, 120

_PLAIN = re.compile(r"[\w\s.,:;/%+-]*")
_CALLS = re.compile(r"__|\w\s*\([^)]*['\"]|\.\s*[a-zA-Z_]\w*\s*\(|\blambda\b")


@lru_cache(maxsize=65_536)
def judged(name: str, options: str, index: int, answer: str) -> bool:
    """Whether the library scores an answer 1.0; False for one that it cannot judge within the time.

    Args:
        name: of the generator.
        options: of the generator, as JSON.
        index: of the problem.
        answer: as the path states it.

    Raises:
        TertuliaError: the child process does not start.
    """
    from tertulia.tasks.gym import dataset

    if len(answer) > LONGEST:
        return False
    if _PLAIN.fullmatch(answer) or answer == dataset(name, options)[index]["answer"]:
        return _score(name, options, index, answer)
    if _CALLS.search(answer):
        return False
    return _CHILD.right(json.dumps([name, options, index, answer]))


def _score(name: str, options: str, index: int, answer: str) -> bool:
    from tertulia.tasks.gym import dataset

    problems = dataset(name, options)
    try:
        return bool(problems.score_answer(answer, problems[index]) == 1.0)
    except Exception:  # an answer of the wrong form; each generator stumbles in its own way
        return False


class _Child:
    """Started when first needed, replaced when it takes too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def right(self, asked: str) -> bool:
        """One line out, one line back; False when the child had to be stopped."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = _start()
            process = self._process
            assert process.stdin and process.stdout
            alarm = threading.Timer(WALL_SECONDS, process.kill)
            alarm.daemon = True
            alarm.start()
            try:
                process.stdin.write(asked + "\n")
                process.stdin.flush()
                reply = process.stdout.readline().strip()
            except OSError:
                reply = ""
            finally:
                alarm.cancel()
            if not reply:
                self.close()
            return reply == "true"

    def close(self) -> None:
        """Ends the child; the next answer starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _start() -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)}
    command = [sys.executable, "-P", "-m", "tertulia.tasks.gym_judge"]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            text=True, encoding="utf-8",
        )  # fmt: skip
    except OSError as error:
        raise TertuliaError(f"cannot start the judge of answers {sys.executable}: {error.strerror}") from error


def _serve() -> None:
    """The child: answers each line on stdin, and ends when the parent is gone."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    told, sys.stdout = sys.stdout, sys.stderr  # generators may print
    if sys.platform != "win32":
        import resource

        limit = 4 << 30  # an expression may grow until the machine swaps
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        name, options, index, answer = json.loads(line)
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # ends this process whatever it is doing
        print(json.dumps(_score(name, options, index, answer)), file=told, flush=True)
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)


_CHILD = _Child()
atexit.register(_CHILD.close)

if __name__ == "__main__":
    _serve()
