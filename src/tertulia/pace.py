"""How long thoughts of a session have been, and how often its paths meet by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tertulia.circle.path import Path
from tertulia.settings import Settings

SHORT_THOUGHT = 1024
"""Thoughts up to so many tokens (their median) meet at their last call only, where `every` is "auto"."""
LOOKED_BACK = 64  # paths whose thoughts decide that


@dataclass
class Pace:
    """How long thoughts of a session have been, and how often paths meet by that.

    Attributes:
        lengths: Thought tokens of the paths that finished last.
    """

    lengths: list[int] = field(default_factory=list)

    def add(self, paths: Sequence[Path]) -> None:
        """Takes note of paths that came to their end by themselves."""
        done = [path.thought_tokens for path in paths if path.finished and not path.out_of_budget]
        self.lengths = (self.lengths + done)[-LOOKED_BACK:]

    def every(self, settings: Settings) -> int:
        """Thought tokens between two meetings: a quarter of the median thought, none where thoughts are short.

        Before the first thoughts have ended nobody knows: then paths meet at their last call only.
        """
        if settings.every != "auto":
            return settings.every
        usual = median(self.lengths) if self.lengths else 0
        return 64 * round(usual / 4 / 64) if usual > SHORT_THOUGHT else 0
