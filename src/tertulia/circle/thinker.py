"""Carries paths through the engine: begin, think, summarise, hear, answer, one journaled step at a time.

Every step goes through `Journal.once` under the path's name and the number of the step, and reaches the path
only as it stands in the journal. So a run that was killed goes on with the first step that is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal

from tertulia.answers.extract import extract_answer
from tertulia.circle.claims import read_claims, states_claim
from tertulia.circle.exchange import Exchange, about
from tertulia.circle.frames import Heard, neutral
from tertulia.circle.path import Path, Place, Span, Step
from tertulia.circle.run import Run
from tertulia.circle.segments import find_close, keep_to_boundary, parts, span_of
from tertulia.engines.base import Generation
from tertulia.errors import TertuliaError
from tertulia.seeds import draw

OPEN, CLOSE = "<summarize>", "</summarize>"
MakeStep = Callable[[], Awaitable[Step]]


class Thinker:
    """Takes the paths of one question from step to step.

    Args:
        run: What all paths share.
        story: Names the question for random draws; the same story is drawn the same way.
        meets: Whether these paths meet.
    """

    def __init__(self, run: Run, story: str, *, meets: bool):
        self.run = run
        self.story = story
        self.meets = meets
        self.exchange = Exchange(run, story)

    # What a path can do.

    async def begin(self, path: Path, prompt: str) -> None:
        """Puts the prompt and the opening of the thought into the path."""
        await self._step(path, partial(self._prompt, path, prompt))

    async def think(self, path: Path) -> None:
        """Goes on until the path's next meeting, its last call, or its end."""
        while path.place in ("thinking", "closed"):
            if path.place == "closed":
                await self._step(path, partial(self._answer, path))
            elif self.room(path) < 1:
                await self._step(path, partial(self._closing, path))
            else:
                await self._step(path, partial(self._segment, path))

    async def summarise(self, path: Path) -> None:
        """Has the path write where it stands; a summary that grows too long is asked for once more.

        There is nothing to write where the claims are read from the thought itself: at a last call, if they can be.
        """
        if self.run.settings.summaries == "read":
            self._tell_summary(path, None, "read")
            return
        if path.place == "last call" and self.run.profile.reads_thought:
            return
        await self._step(path, partial(self._summary, path, again=False))
        if path.open_summary and path.at_meeting and self.room(path) > 1:
            await self._step(path, partial(self._summary, path, again=True))

    async def hear(self, path: Path, heard: Heard) -> None:
        """Puts in what the path hears; a last call that changes nothing closes the thought instead."""
        meeting = path.meetings
        if path.place == "last call" and not heard.interrupts:
            await self._step(path, partial(self._kept, path))
        else:
            await self._step(path, partial(self._heard, path, heard, meeting))
            tell = {"text": heard.text, "peers": list(heard.peers), "finding": heard.finding}
            marked = {"step": heard.step, "other": heard.other, "lie": heard.lie}
            self.run.tell("heard", path.index, meeting=meeting, **tell, **marked)

    async def stop(self, path: Path) -> None:
        """Ends the path where it is; tokens that had come by then stay in it and are counted."""
        while path.active:
            await self._step(path, partial(self._stopped, path))

    async def fail(self, path: Path) -> None:
        """Records that the path failed."""
        await self._step(path, partial(self._failed, path))

    def room(self, path: Path) -> int:
        """Tokens the path may still generate before its answer, by its budget and by the context."""
        reserve = self.run.profile.answer_tokens
        left = self.run.settings.budget - path.tokens.generated - reserve
        context = self.run.engine.info.context
        if context is not None:
            # The closing sentence has to fit as well; it is never longer in tokens than in bytes.
            closing = len(self.run.wording_of(path.index).closing.encode()) + len(self.run.dialect.close_ids)
            left = min(left, context - path.length - reserve - closing)
        return left

    # Steps.

    async def _step(self, path: Path, make: MakeStep) -> None:
        live = False

        async def record() -> dict[str, object]:
            nonlocal live
            live = True
            return {"mode": self.run.engine.info.mode, **(await make()).to_json()}

        step = Step.from_json(await self.run.journal.once(f"{path.name}/{path.steps}", record))
        self.exchange.arriving.pop(path.index, None)
        path.apply(step)
        if path.finished:
            path.answer = extract_answer(path.own_text, self.run.settings.answer_kind)
        self._tell(path, step, live)
        if not path.active:
            await self.run.engine.release(path.name)

    async def _prompt(self, path: Path, prompt: str) -> Step:
        run = self.run
        opening = run.first_sentence(path.index) + (run.wording_of(path.index).thought_start if self.meets else "")
        begun = await run.dialect.beginning(prompt, opening)
        count, context, answer = len(begun[0][1]), run.engine.info.context, run.profile.answer_tokens
        if context is not None and count + answer >= context:
            raise TertuliaError(
                f"the question takes {count} tokens, but the context holds {context}, {answer} of them "
                "kept for the answer: shorten the question, or give the engine a longer context"
            )
        spans = [Span(kind, ids, text, len(ids) or about(text)) for kind, ids, text in begun]
        if path.index < len(run.beginnings) and (beginning := run.beginnings[path.index]) is not None:
            spans.append(beginning)
        return Step("prompt", tuple(spans))

    async def _segment(self, path: Path) -> Step:
        settings = self.run.settings
        limit, meeting = self._limit(path)
        stop = (OPEN,) if self.meets and settings.self_opened else ()
        if meeting == "due":
            stop = (*stop, "\n")
        calls = self.meets and settings.last_call > 0
        came = await self.exchange.generate(path, (), limit, "thought", stop=stop, stop_at_close=calls)
        room = self.room(path) - came.count
        reads = self.run.profile.reads_thought
        call = (
            calls and path.last_calls < settings.last_call and room > (0 if reads else self.run.profile.summary_tokens)
        )
        close = find_close(came.tokens, self.run.dialect.close_ids, self.run.dialect.think_close)
        if close is not None:
            return self._closed(came, *close, call=call and close[1] == len(came.tokens))
        if came.finish == "end":
            return self._ended(came, call=call and not self.run.dialect.think_close)
        if came.stop == OPEN and room > self.run.profile.summary_tokens:
            return _thought(came, len(came.tokens), "meeting", opened=True)
        if meeting and self.run.profile.meets_at_claims:
            states = states_claim(path, came.text, self.run.profile.claims.thought_step)
            return _thought(came, len(came.tokens), "meeting" if states else "thinking")
        if came.finish == "length" and meeting and came.count >= limit:
            return _thought(came, keep_to_boundary(came.tokens, self.run.profile.tail_tokens), "meeting")
        return _thought(came, len(came.tokens), "thinking")

    def _limit(self, path: Path) -> tuple[int, Literal["", "ahead", "due"]]:
        """How many tokens of thought come next, and whether a meeting lies after them or a line end away."""
        settings, room, profile = self.run.settings, self.room(path), self.run.profile
        if not self.meets:
            return room, ""
        passed = path.met_at if profile.meets_at_claims else path.thought_tokens
        places = [place - path.thought_tokens for place in settings.meet_at if place > passed]
        if settings.every:
            places.append(settings.every - path.since_meeting)
        # A meeting that leaves nothing to think with afterwards is none.
        if not places or max(1, min(places)) + profile.summary_tokens >= room:
            return room, ""
        if min(places) < 1 and profile.meets_at_claims:
            return min(profile.tail_tokens, room), "due"
        return max(1, min(places)), "ahead"

    def _closed(self, came: Generation, start: int, end: int, *, call: bool) -> Step:
        if call:
            thought, held = parts(came, ("thought", start), ("thought", end))
            return _step_of("thought", came, (thought,), "last call", held=held)
        thought, answer = parts(came, ("thought", end), ("answer", len(came.tokens)))
        place: Place = "finished" if came.finish == "end" else "closed"
        return _step_of("thought", came, (thought, answer), place)

    def _ended(self, came: Generation, *, call: bool) -> Step:
        """A thought that end-of-text closes, as with models that do not think aloud."""
        if not call:
            return _thought(came, len(came.tokens), "finished")
        ends = sum(token.id in self.run.engine.info.end_ids for token in came.tokens[-1:])
        start = len(came.tokens) - ends
        thought, held = parts(came, ("thought", start), ("thought", len(came.tokens)))
        return _step_of("thought", came, (thought,), "last call", held=held)

    async def _summary(self, path: Path, *, again: bool) -> Step:
        words, dialect = self.run.wording_of(path.index), self.run.dialect
        if again:
            cue = words.cue_again
        elif path.opened:
            cue = ""
        else:
            seed = (self.run.settings.seed, self.story, path.index, path.steps, "cue")
            cue = draw(*seed).choice(words.cues)
        before = [await self.exchange.put("cue", cue)] if cue else []
        longest = self.run.profile.summary_tokens // (2 if again else 1)
        limit = max(1, min(longest, self.room(path)))
        came = await self.exchange.generate(path, before, limit, "summary", stop=(CLOSE,), stop_at_close=True)
        (span,) = parts(came, ("summary", len(came.tokens)))
        text: str | None = neutral(span.text.partition(CLOSE)[0], 8 * self.run.profile.summary_tokens)
        place, outcome = path.place, "whole"
        if CLOSE not in span.text:
            text, outcome = None, "truncated"
            if find_close(came.tokens, dialect.close_ids, dialect.think_close) is not None:
                place, outcome = "closed", "closed"
            elif came.finish == "end":
                place, outcome = "finished", "ended"
        elif not text:
            text, outcome = None, "blank"
        release: Literal["discard"] | None = "discard" if path.held is not None else None
        data = {"text": text, "outcome": outcome}
        return _step_of("summary", came, (*before, span), place, release=release, data=data)

    async def _heard(self, path: Path, heard: Heard, meeting: int) -> Step:
        words, profile = self.run.wording_of(path.index), self.run.profile
        spans = [await self.exchange.put("cue", words.cue_give_up)] if path.open_summary else []
        line_end = "" if path.text.endswith("\n") else "\n"
        start = words.after_summary if path.spans[-1].kind == "summary" else line_end
        if heard.text:
            spans.append(await self.exchange.put("heard", start + heard.text))
        data: dict[str, object] = {"meeting": meeting, "last_call": path.place == "last call"}
        data |= {"peers": list(heard.peers), "finding": heard.finding}
        context = self.run.engine.info.context
        length = path.length + sum(span.count for span in spans)
        if context is not None and length + profile.answer_tokens >= context:
            spans, data = spans[:-1], data | {"peers": [], "skipped": "the context is full"}
        release: Literal["discard"] | None = "discard" if path.held is not None else None
        return Step("heard", tuple(spans), release=release, data=data)

    async def _kept(self, path: Path) -> Step:
        """Closes a thought that hears nothing new: with its own close, or where a summary came, with ours."""
        close = self.run.dialect
        place: Place = "closed" if close.think_close else "finished"
        if path.held is not None:
            return Step("kept", release="keep", place=place)
        words = self.run.wording_of(path.index)
        spans = [await self.exchange.put("cue", (words.cue_give_up if path.open_summary else "") + words.after_summary)]
        if close.think_close:
            spans.append(Span("cue", close.close_ids, close.think_close, len(close.close_ids)))
        return Step("kept", tuple(spans), place=place)

    async def _closing(self, path: Path) -> Step:
        close, words = self.run.dialect, self.run.wording_of(path.index)
        spans = [await self.exchange.put("cue", words.closing)] if words.closing else []
        if close.think_close:
            spans.append(Span("cue", close.close_ids, close.think_close, len(close.close_ids)))
        return Step("closing", tuple(spans), place="closed")

    async def _answer(self, path: Path) -> Step:
        limit = self.run.settings.budget - path.tokens.generated
        context = self.run.engine.info.context
        if context is not None:
            limit = min(limit, context - path.length)
        if path.out_of_budget:
            limit = min(limit, self.run.profile.answer_tokens - path.count("answer"))
        if limit < 1:
            return Step("answer", place="finished", data={"finish": "length"})
        came = await self.exchange.generate(path, (), limit, "answer")
        (span,) = parts(came, ("answer", len(came.tokens)))
        return _step_of("answer", came, (span,), "closed" if came.finish == "cut" else "finished")

    async def _stopped(self, path: Path) -> Step:
        before, kind, tokens = self.exchange.arriving.get(path.index, ((), "thought", []))
        spans = (*before, span_of(kind, tokens)) if tokens else ()
        data = {"text": None, "outcome": "stopped"} if kind == "summary" else {}
        release: Literal["keep"] | None = "keep" if path.held is not None else None
        return Step("stopped", spans, release=release, place="stopped", data=data)

    async def _failed(self, path: Path) -> Step:
        return Step("failed", place="failed", data={"error": path.error or "failed"})

    def _tell(self, path: Path, step: Step, live: bool) -> None:
        if self.run.observer is None:
            return
        tell = partial(self.run.tell, path=path.index)
        if not live and step.generated:
            tell("tokens", count=step.generated)
        if step.kind == "summary":
            self._tell_summary(path, path.summary, step.data["outcome"])
        elif step.kind in ("thought", "answer", "closing", "kept"):
            tell("segment", place=path.place, tokens=step.generated)
        if path.finished:
            tell("answer", answer=path.answer)
        elif path.place == "failed":
            tell("failed", error=path.error)
        elif path.place == "stopped":
            tell("stopped")

    def _tell_summary(self, path: Path, text: str | None, outcome: str) -> None:
        if self.run.observer is not None:
            claims = read_claims(path, self.run.profile.claims, self.run.dialect.think_close)
            said = {"steps": dict(claims.steps), "answer": claims.answer}
            self.run.tell("summary", path.index, text=text, outcome=outcome, claims=said)


def _thought(came: Generation, keep: int, place: Place, **data: object) -> Step:
    """A segment of thought, of which `keep` tokens stay."""
    thought, tail = parts(came, ("thought", keep), ("thought", len(came.tokens)))
    return _step_of("thought", came, (thought,), place, discarded=tail if tail.count else None, data=data)


def _step_of(
    kind: str,
    came: Generation,
    spans: tuple[Span, ...],
    place: Place,
    *,
    discarded: Span | None = None,
    held: Span | None = None,
    release: Literal["keep", "discard"] | None = None,
    data: Mapping[str, object] | None = None,
) -> Step:
    """The step that a generation makes."""
    return Step(
        kind=kind,
        spans=tuple(span for span in spans if span.ids or span.text or span.count),
        discarded=discarded,
        held=held,
        release=release,
        place=place,
        prompt_tokens=came.prompt_tokens,
        cached=came.cached_tokens,
        data={"finish": came.finish, **(data or {})},
    )
