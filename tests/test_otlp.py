"""A journal as OpenTelemetry traces: the paths of a circle, their steps, and who heard whom."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tertulia import Result, solve
from tertulia.cli import main
from tertulia.engines.scripted import Fault, ScriptedEngine

QUESTION = "Ana has 13 shells, gets 80, finds 8 and buys 21. How many?"
ALWAYS = [Fault("error")] * 40
Span = dict[str, Any]


def journal_of(tmp_path: Path, **asked: Any) -> tuple[Path, Result]:
    file = tmp_path / "run.jsonl"
    return file, solve(QUESTION, paths=4, journal=file, **{"engine": "scripted", "seed": 7} | asked)


def exported(file: Path) -> list[Span]:
    out = file.with_suffix(".otlp.json")
    assert main(["show", str(file), "--otlp", str(out)]) == 0
    (resource,) = json.loads(out.read_text("utf-8"))["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    return list(scope["spans"])


def about(span: Span) -> dict[str, Any]:
    """A span's attributes as plain values."""
    read = {"stringValue": str, "intValue": int, "boolValue": bool, "doubleValue": float}
    return {a["key"]: read[kind](value) for a in span["attributes"] for kind, value in a["value"].items()}


def ends(span: Span) -> tuple[int, int]:
    return int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])


def under(spans: list[Span], parent: Span) -> list[Span]:
    return [span for span in spans if span.get("parentSpanId") == parent["spanId"]]


def test_the_circle_is_the_root_and_its_paths_hold_their_tokens_and_their_steps(tmp_path: Path) -> None:
    file, result = journal_of(tmp_path)
    root, *others = spans = exported(file)
    paths = under(spans, root)
    assert [span["name"] for span in paths] == [f"path {index}" for index in range(4)]
    assert "parentSpanId" not in root and all("parentSpanId" in span for span in others)
    assert (about(root)["input.value"], about(root)["output.value"]) == (QUESTION, result.answer)
    assert about(root)["tertulia.times"].startswith("made: one token is 1 ms")
    for span, path in zip(paths, result.paths, strict=True):
        told = about(span)
        assert told["gen_ai.usage.output_tokens"] == path.tokens.generated
        assert told["gen_ai.usage.input_tokens"] == path.tokens.sent
        assert told["gen_ai.request.model"] == "scripted" and told["output.value"] == path.own_text
        steps = under(spans, span)
        assert len(steps) == path.steps and steps[0]["name"] == "prompt"
        assert sum(about(step)["tertulia.tokens.generated"] for step in steps) == path.tokens.generated
    assert len({span["spanId"] for span in spans}) == len(spans) and {span["traceId"] for span in spans} == {
        root["traceId"]
    }


def test_who_heard_whom_is_an_edge_from_the_peer_to_the_hearer(tmp_path: Path) -> None:
    file, result = journal_of(tmp_path)
    spans = exported(file)
    node = {span["spanId"]: about(span).get("graph.node.id") for span in spans}
    edges = []
    for span in spans:
        if span["name"].startswith("heard path"):
            told = about(span)
            assert [node[link["spanId"]] for link in span["links"]] == [told["graph.node.parent_id"]]
            edges.append((told["tertulia.meeting"], told["graph.node.id"], told["graph.node.parent_id"]))
    heard = [
        (meeting.index, f"q0/c0/p{hearer}", f"q0/c0/p{peer}")
        for meeting in result.meetings
        for hearer, peers in enumerate(meeting.heard)
        for peer in peers or ()
    ]
    assert sorted(edges) == sorted(heard) and heard


@pytest.mark.parametrize(
    "asked",
    [{}, {"mode": "board"}, {"settle": 0.5}, {"method": "leap-single", "every": 16}, {"vote": "sure"}],
    ids=["sync", "board", "settle", "leap-single", "sure"],
)
def test_times_are_made_in_order_and_end_when_the_journal_was_last_written(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    file, _ = journal_of(tmp_path, **asked)
    root, *others = spans = exported(file)
    by_id = {span["spanId"]: span for span in spans}
    assert ends(root)[1] == file.stat().st_mtime_ns
    for span in others:
        outer, inner = ends(by_id[span["parentSpanId"]]), ends(span)
        assert outer[0] <= inner[0] < inner[1] <= outer[1], span["name"]
    for path in under(spans, root):
        steps = under(spans, path)
        assert all(ends(one)[1] <= ends(following)[0] for one, following in pairwise(steps))
    assert all(ends(root)[0] <= int(event["timeUnixNano"]) <= ends(root)[1] for event in root["events"])
    assert root["events"][-1]["name"] == "verdict"


def test_a_run_that_is_not_over_and_a_path_that_failed_are_exported_too(tmp_path: Path) -> None:
    file, result = journal_of(tmp_path, engine=ScriptedEngine(faults={"q0/c0/p1": ALWAYS}), name="q0/c0")
    assert result.paths[1].place == "failed"
    failed = next(span for span in exported(file) if span["name"] == "path 1")
    assert failed["status"]["code"] == 2 and "scripted error" in failed["status"]["message"]
    lines = file.read_bytes().splitlines(keepends=True)
    for count in range(2, len(lines)):
        file.write_bytes(b"".join(lines[:count]))
        assert len(exported(file)) >= 3


def test_the_same_journal_is_the_same_trace(tmp_path: Path) -> None:
    file, _ = journal_of(tmp_path)
    assert exported(file) == exported(file)


def test_traces_do_not_take_the_place_of_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = journal_of(tmp_path)
    before = file.read_bytes()
    assert main(["show", str(file), "--otlp", str(file)]) != 0
    assert "would take the place of the journal" in capsys.readouterr().err and file.read_bytes() == before


def test_the_file_is_what_the_protocol_says(tmp_path: Path) -> None:
    reason = "opentelemetry-proto is not installed: pip install opentelemetry-proto"
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason=reason)
    json_format = pytest.importorskip("google.protobuf.json_format", reason=reason)

    def write(context: str, path: str, seed: int) -> str:
        return "So <script>\x00\u202e \U0001f600.\n</think>\\boxed{7}<|end|>"

    file, _ = journal_of(tmp_path, engine=ScriptedEngine(write))
    exported(file)
    value = json.loads(file.with_suffix(".otlp.json").read_text("utf-8"))
    for span in (spans := value["resourceSpans"][0]["scopeSpans"][0]["spans"]):
        for named in (span, *span.get("links", ())):  # OTLP writes ids in hex where protobuf's own JSON has base64
            for name in {"traceId", "spanId", "parentSpanId"} & set(named):
                named[name] = base64.b64encode(bytes.fromhex(named[name])).decode()
    request = json_format.ParseDict(value, service.ExportTraceServiceRequest())
    read = request.resource_spans[0].scope_spans[0].spans
    assert len(read) == len(spans)
    assert {len(span.trace_id) for span in read} == {16} and {len(span.span_id) for span in read} == {8}
