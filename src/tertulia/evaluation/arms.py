"""The arms of a comparison: `leap`, `independent`, `echo`, `leap:preset=paper,heard=2`.

An arm is a method with its settings under a name. The placebos and the early stop are methods with one setting
fixed, so that they can be asked for by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.evaluation import controls  # noqa: F401  (makes the controls known by name)
from tertulia.settings import METHODS, WITHOUT_MEETINGS, Settings, meeting_settings

REFERENCE = "independent"
"""The arm that others are compared to: it gets as many paths as their tokens buy."""
PLACEBOS = ("echo", "false", "recheck", "self", "unrelated")
EARLY_STOP = "early-stop"
LONGER = "longer"
"""The arm of one path, which gets the tokens that a circle with meetings spent."""
NAMES: tuple[str, ...] = (*METHODS, EARLY_STOP, *PLACEBOS)


@dataclass(frozen=True)
class Arm:
    """A method with its settings, under the name that tables show.

    Attributes:
        label: As the user wrote it.
        name: One of `NAMES`.
        settings: What it sets beside what all arms share.
    """

    label: str
    name: str
    settings: Mapping[str, Any]

    @property
    def placebo(self) -> bool:
        """Whether its meetings hold no peers' information."""
        return self.name in PLACEBOS

    @property
    def meets(self) -> bool:
        """Whether it is a method with meetings, and they hold peers' information."""
        return self.method not in WITHOUT_MEETINGS and not self.placebo

    @property
    def reference(self) -> bool:
        """Whether it is plain independent sampling, which others are compared to at equal tokens."""
        return self.name == REFERENCE

    @property
    def slug(self) -> str:
        """The label as a folder's name."""
        return "".join(letter if letter.isalnum() or letter in "-_.=" else "_" for letter in self.label)

    def asked(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """What to resolve into settings: what all arms share where the method can take it, and the arm's own.

        Settings of meetings are no business of methods without meetings: they are left out there.
        """
        values = dict(shared)
        if self.method in WITHOUT_MEETINGS:
            meetings = meeting_settings()
            values = {name: value for name, value in values.items() if name not in meetings}
        values |= {"method": self.method, **self.settings}
        if self.placebo and "control" not in self.settings and _control(values.get("control", "")) != self.name:
            values["control"] = self.name
        if self.name == EARLY_STOP:
            paths = int(values.get("paths") or Settings.model_fields["paths"].default)
            values.setdefault("consensus_stop", paths // 2 + 1)
        return values

    @property
    def method(self) -> str:
        """The method that runs it."""
        return "leap" if self.placebo else REFERENCE if self.name == EARLY_STOP else self.name


def arm(text: str) -> Arm:
    """Reads an arm: a name, and after a colon settings with commas.

    Raises:
        TertuliaError: The name is unknown, a setting is no NAME=VALUE, or one has two values. One line.
    """
    name, colon, rest = text.partition(":")
    if name not in NAMES:
        raise TertuliaError(f"unknown method {name!r}: use one of {', '.join(NAMES)}")
    settings: dict[str, Any] = {}
    for pair in rest.split(",") if colon else ():
        key, equals, value = pair.partition("=")
        key = key.replace("-", "_").strip()
        if not equals or not key:
            raise TertuliaError(f"{pair!r} in the method {text!r} is no setting: write NAME=VALUE, such as heard=2")
        if key == "method" or (key == "control" and _control(value) in PLACEBOS and _control(value) != name):
            raise TertuliaError(f"{pair!r} in the method {text!r}: name the method itself, one of {', '.join(NAMES)}")
        if key not in Settings.model_fields:
            raise TertuliaError(f"unknown setting {key!r} in {text!r}: use one of {', '.join(Settings.model_fields)}")
        if settings.setdefault(key, _value(value)) != _value(value):
            raise TertuliaError(f"{key} is there twice in {text!r}, as {settings[key]} and {value}: give it once")
    return Arm(text, name, settings)


def arms(texts: Sequence[str]) -> list[Arm]:
    """Reads arms and puts them in the order in which they must run.

    Placebos come after the methods, because false markers are made up at the rate that was really seen, and so does
    the one longer path, because it gets the tokens that a circle spent; the reference comes last, because it gets as
    many paths as the tokens of the others buy.

    Raises:
        TertuliaError: As `arm`; an arm is there twice; or nothing says how long the longer path may be.
    """
    found = [arm(text) for text in texts]
    for at, one in enumerate(found):
        if one.slug in [other.slug for other in found[:at]]:
            raise TertuliaError(f"the method {one.label} is there twice: name it once, or give it other settings")
    if not any(one.meets for one in found):
        for one in found:
            if one.name == LONGER and "budget" not in one.settings:
                raise TertuliaError(
                    f"the method {one.label} has the tokens that a circle spent, and no circle meets here: "
                    "name a method with meetings too, such as leap, or give it a budget: longer:budget=4096"
                )
    return sorted(found, key=lambda one: (one.reference, one.placebo or one.name == LONGER))


def _control(text: str) -> str:
    """The name of a control, without its argument."""
    return text.partition("=")[0]


def _value(text: str) -> Any:
    """A setting's value: a number, true, false, null, a list with +, or text."""
    if "+" in text:
        return tuple(_value(part) for part in text.split("+"))
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
