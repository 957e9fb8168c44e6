"""A journal as OpenTelemetry traces (OTLP as JSON), for Phoenix, Langfuse and the like: thoughts, and who heard whom.

A journal has no times, so these are made: one generated token takes a millisecond, a step that generates nothing takes
one too, who meets waits for the last, and the end is when the file was last written. The root says so in
`tertulia.times`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tertulia.circle.path import Path, Step
from tertulia.cli.show import Story, step_of

TIMES = "made: one token is 1 ms, the end is when the journal was last written"
MILLISECOND = 1_000_000  # in nanoseconds
INTERNAL, OK, ERROR = 1, 1, 2  # numbers of OTLP: of a span's kind, and of how it ended

Span = dict[str, Any]


def traces(story: Story, ended: int) -> dict[str, Any]:
    """The circle as one trace: it is the root, its paths are its children, their steps are theirs.

    Args:
        story: The circle, as its journal tells it.
        ended: When the journal was last written, in nanoseconds since 1970.

    Returns:
        The JSON of an `ExportTraceServiceRequest`.
    """
    spans = Trace(story).spans()
    last = max(span["end"] for span in spans)

    def when(milliseconds: int) -> str:
        return str(ended - (last - milliseconds) * MILLISECOND)

    for span in spans:
        span["startTimeUnixNano"], span["endTimeUnixNano"] = when(span.pop("start")), when(span.pop("end"))
        for event in span.get("events", ()):
            event["timeUnixNano"] = when(event.pop("at"))
    about = attributes({"service.name": "tertulia"})
    scope = {"scope": {"name": "tertulia"}, "spans": spans}
    return {"resourceSpans": [{"resource": {"attributes": about}, "scopeSpans": [scope]}]}


class Trace:
    """The spans of one circle, in milliseconds since its beginning.

    Args:
        story: The circle, as its journal tells it.
    """

    def __init__(self, story: Story) -> None:
        self.story = story
        told = json.dumps([story.name, story.header, story.records], sort_keys=True)
        self.id = _digest(told, 16)
        self._paths: dict[int, Path] = {}
        self._begun: dict[int, int] = {}
        self._now = Counter[int]()  # of each path
        self._heard: dict[str, tuple[int, Mapping[str, Any]]] = {}  # of each path, at its last meeting
        self._steps: list[Span] = []
        self._events: list[dict[str, Any]] = []

    def spans(self) -> list[Span]:
        """All spans, the root first."""
        for record in self.story.records:
            if "place" in record:
                self._step(record, step_of(record))
            else:
                self._of_all(record)
        return [self._root(), *(self._path(path) for path in self._paths.values()), *self._steps]

    def _step(self, record: Mapping[str, Any], step: Step) -> None:
        index = int(record["path"])
        if index not in self._paths:  # who begins later begins after those who have ended
            self._paths[index] = Path(index, self._node(index), exact=record["mode"] == "ids")
            over = [self._now[other] for other, path in self._paths.items() if not path.active]
            self._begun[index] = self._now[index] = max(over, default=0)
        path, start = self._paths[index], self._now[index]
        path.apply(step)
        self._now[index] = end = start + max(1, step.generated)
        made = "".join(told["text"] for told in step.told)
        put = "".join(span.text for span in step.spans if span.kind in ("prompt", "cue", "heard"))
        about = {"tertulia.place": step.place, "tertulia.tokens.generated": step.generated}
        texts = {"input.value": put or None, "output.value": made or None}
        self._steps.append(self._span(record["key"], step.kind, path.name, start, end, about | texts))
        if step.kind in ("heard", "kept"):
            self._hears(record["key"], path, start)

    def _hears(self, key: str, path: Path, at: int) -> None:
        """A span for each peer that was heard: an edge from it to the hearer."""
        meeting, heard = self._heard.pop(str(path.index), (0, {}))
        for peer in heard.get("peers", ()):
            about = {
                "graph.node.id": path.name,
                "graph.node.parent_id": self._node(peer),
                "tertulia.meeting": meeting,
                "tertulia.finding": heard["finding"],
                "output.value": heard["text"],
            }
            edge = self._span(f"{key} {peer}", f"heard path {peer}", key, at, at + 1, about)
            edge["links"] = [{"traceId": self.id, "spanId": self._id(self._node(peer))}]
            self._steps.append(edge)

    def _of_all(self, record: Mapping[str, Any]) -> None:
        kind, at = str(record["kind"]), max(self._now.values(), default=0)
        if kind == "meeting":
            there = {int(path) for path in record["heard"]}
            spoke = {int(peer) for heard in record["heard"].values() for peer in heard["peers"]}
            at = max(self._now[path] for path in there | spoke)
            self._now.update({path: at - self._now[path] for path in there})
            self._heard |= {path: (record["index"], heard) for path, heard in record["heard"].items()}
        told = {f"tertulia.{name}": value for name, value in record.items() if name not in ("key", "kind")}
        self._events.append({"name": kind, "at": at, "attributes": attributes(told)})

    def _root(self) -> Span:
        story, settings, verdict = self.story, self.story.settings, self.story.verdict or {}
        about = {
            "openinference.span.kind": "AGENT",
            "graph.node.id": story.name,
            "gen_ai.request.model": story.header.get("model"),
            "input.value": story.question,
            "output.value": verdict.get("answer"),
            "tertulia.times": TIMES,
            **{f"tertulia.{name}": settings[name] for name in ("method", "paths", "budget", "seed")},
        }
        end = max(self._now.values(), default=0) + 1
        return self._span(story.name, f"circle {story.name}", None, 0, end, about) | {"events": self._events}

    def _path(self, path: Path) -> Span:
        tokens, index, model = path.tokens, path.index, self.story.header.get("model")
        about = {
            "openinference.span.kind": "LLM",
            "graph.node.id": path.name,
            "graph.node.parent_id": self.story.name,
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": tokens.sent or tokens.prompt,
            "gen_ai.usage.output_tokens": tokens.generated,
            "gen_ai.usage.cache_read.input_tokens": tokens.cached,
            "input.value": "".join(span.text for span in path.spans if span.kind == "prompt"),
            "output.value": path.own_text,
            "tertulia.answer": path.answer,
            "tertulia.place": path.place,
            **{f"tertulia.tokens.{name}": count for name, count in tokens.to_json().items()},
        }
        span = self._span(path.name, f"path {index}", self.story.name, self._begun[index], self._now[index], about)
        failed = {"code": ERROR, "message": path.error or ""} if path.place == "failed" else {"code": OK}
        return span | {"status": failed}

    def _node(self, path: int) -> str:
        return f"{self.story.name}/p{path}"

    def _id(self, of: str) -> str:
        return _digest(f"{self.id} {of}", 8)

    def _span(self, of: str, name: str, parent: str | None, start: int, end: int, about: Mapping[str, Any]) -> Span:
        made: Span = {"traceId": self.id, "spanId": self._id(of), "name": name, "kind": INTERNAL}
        if parent is not None:
            made["parentSpanId"] = self._id(parent)
        return made | {"start": start, "end": end, "attributes": attributes(about)}


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Values by name as OTLP has them; None is left out, what is neither text nor number is its JSON."""
    return [{"key": name, "value": _value(value)} for name, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"stringValue": text.encode(errors="replace").decode()}  # half of a surrogate pair is no text


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=size).hexdigest()
