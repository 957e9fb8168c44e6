"""Model names of the endpoint: a way to spend tokens and the engine's model, and what effort makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tertulia.api import Session
from tertulia.circle.frames import frame_of
from tertulia.circle.run import voices
from tertulia.server.asking import Asked
from tertulia.server.refusals import Refusal
from tertulia.settings import Settings, meeting_settings
from tertulia.wording import Wording

KINDS: dict[str, dict[str, Any]] = {
    "leap": {},
    "vote": {"method": "independent"},
    "one": {"method": "independent", "paths": 1, "consensus_stop": 0, "settle": 0.0},
}
"""What stands before a model's name, and the settings that it stands for; a bare name means the first."""
EFFORTS = {"minimal": 0.5, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 2.0}
"""By how much paths and budget grow; with "none" one path answers without a thought."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        paths: Paths of a circle.
        budget: Tokens of a path.
        body: Bytes of a request.
    """

    paths: int = 64
    budget: int = 131_072
    body: int = 4 * 2**20


class Models:
    """What can be asked for by name.

    Args:
        session: Open.
        given: Settings that all circles of the server share.
        limits: Of one request.
    """

    def __init__(self, session: Session, given: dict[str, Any], limits: Limits) -> None:
        self._session = session
        self._given = given
        self._limits = limits
        model = session.engine.info.model
        self.name = PurePath(model).stem if model.endswith(".gguf") else model

    @property
    def names(self) -> list[str]:
        """All names, with what stands before them."""
        return [f"{kind}/{self.name}" for kind in KINDS]

    def kind(self, model: str) -> str:
        """The way to spend tokens that a name stands for.

        Raises:
            Refusal: There is no such model.
        """
        kind, _, name = model.partition("/")
        if model == self.name:
            return next(iter(KINDS))
        if kind not in KINDS or name != self.name:
            what = f"there is no model {model!r}: use one of {', '.join(self.names)}"
            raise Refusal(404, what, param="model", code="model_not_found")
        return kind

    def settings(self, asked: Asked) -> tuple[dict[str, Any], Settings]:
        """The settings of a request's circles, as they are given to a session, and what they come to.

        Raises:
            Refusal: There is no such model, or too much is asked for.
            TertuliaError: A setting cannot be.
        """
        kind = KINDS[self.kind(asked.model)]
        given = {"answer_kind": "free"} | self._given | kind | asked.settings
        if kind and "method" not in asked.settings:
            plain = {name: Settings.model_fields[name].default for name in meeting_settings() if name in self._given}
            given |= {name: value for name, value in plain.items() if name not in asked.settings}
        usual = self._session.settings(**given)
        wanted = given | self._effort(asked, usual)
        if asked.most_tokens is not None:
            wanted["budget"] = min(asked.most_tokens, wanted.get("budget", usual.budget))
        settings = self._session.settings(**wanted)
        for name, most in (("paths", self._limits.paths), ("budget", self._limits.budget)):
            if (value := getattr(settings, name)) > most:
                raise Refusal(400, f"{name} is {value}, at most {most} here: ask for fewer", param=f"tertulia.{name}")
        self._check_words(settings)
        return wanted, settings

    def _check_words(self, settings: Settings) -> None:
        """That there are words for what is asked: a circle would find out only after a stream has begun."""
        profile = self._session.profile
        wording = Wording.load(settings.words or profile.wording, settings.language, settings.wording)
        voices(profile, settings, wording)
        frame_of(settings, wording)

    def _effort(self, asked: Asked, usual: Settings) -> dict[str, Any]:
        """What the effort changes; settings that were asked for by name stay."""
        if asked.effort is None or asked.effort == "medium":
            return {}
        if asked.effort == "none":
            changed: dict[str, Any] = KINDS["one"] | {"thinking": "off"}
        else:
            factor = EFFORTS[asked.effort]
            paths = usual.paths if usual.paths == 1 else min(self._limits.paths, max(2, round(usual.paths * factor)))
            changed = {"paths": paths, "budget": min(self._limits.budget, round(usual.budget * factor))}
        return {name: value for name, value in changed.items() if name not in asked.settings}
