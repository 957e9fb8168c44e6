"""Carries a path through the engine: begin, think, say where it stands, hear, answer, one journaled step at a time.

Every step goes through `Journal.once` under the path's name and the number of the step, and reaches the path
only as it stands in the journal. So a run that was killed goes on with the first step that is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

from tertulia.answers.extract import boxed_rest, extract_answer
from tertulia.circle.claims import how_sure, states_claim
from tertulia.circle.frames import Heard
from tertulia.circle.path import Path, Place, Span, Step
from tertulia.circle.run import Run, about
from tertulia.circle.segments import (
    before_close,
    find_close,
    keep_to_boundary,
    loops,
    parts,
    span_of,
    step_of,
    thought_step,
)
from tertulia.engines.base import Generation
from tertulia.errors import TertuliaError
from tertulia.journal import reading
from tertulia.seeds import draw
from tertulia.wording.harmless import neutral

OPEN, CLOSE = "<summarize>", "</summarize>"
LED_TOKENS = 24
"""Tokens of an answer that a path is led to."""
LED_STOPS = ("}$", "}.", "}\n", "} ", "},", "}}", "}\\")
"""Where such an answer has ended; a brace alone may be one inside it."""
LONGEST_SEGMENT = 512
"""Thought tokens after which a path is looked at, whether it repeats itself."""
MakeStep = Callable[[], Awaitable[Step]]


class Thinker:
    """Takes the paths of one question from step to step.

    Args:
        run: What all paths share.
        meets: Whether these paths meet.
    """

    def __init__(self, run: Run, *, meets: bool):
        self.run = run
        self.meets = meets

    async def begin(self, path: Path, prompt: str) -> None:
        """Puts the prompt and the opening of the thought into the path."""
        await self.step(path, partial(self._prompt, path, prompt))

    async def think(self, path: Path) -> None:
        """Goes on until the path's next meeting, its last call, or its end."""
        while path.place in ("thinking", "closed", "unanswered"):
            if path.place == "closed":
                await self.step(path, partial(self._answer, path))
            elif path.place == "unanswered":
                await self.step(path, partial(self._led, path))
            elif self.room(path) < 1 or path.loops > 1:
                await self.step(path, partial(self._closing, path))
            else:
                await self.step(path, partial(self._segment, path))

    async def state(self, path: Path) -> None:
        """Has the path say where it stands, where that cannot be read: by a summary, or by an answer in a side branch.

        There is nothing to write where the claims are read from the thought itself: at a last call, if they can be.
        """
        match self.run.settings.summaries:
            case "read" if self.run.forks and not (self.run.profile.reads_thought or self.run.settings.free):
                if self._answer_in(path, ever=False) is None and self.room(path) > LED_TOKENS:
                    await self.step(path, partial(self._asked, path))
            case "aside" if self.run.forks:
                await self.step(path, partial(self._summary, path, again=False, aside=True))
            case "written" if path.place != "last call" or not self.run.profile.reads_thought:
                await self.step(path, partial(self._summary, path, again=False))
                # A summary that grows too long is asked for once more.
                if path.open_summary and path.at_meeting and self.room(path) > 1:
                    await self.step(path, partial(self._summary, path, again=True))

    async def hear(self, path: Path, heard: Heard) -> None:
        """Puts in what the path hears; a last call that changes nothing closes the thought instead."""
        if path.place == "last call" and not heard.interrupts:
            await self.step(path, partial(self._kept, path))
        else:
            await self.step(path, partial(self._heard, path, heard))

    async def close(self, path: Path) -> None:
        """Ends the path's thought where it is, and has it answer; one that was about to end by itself does so."""
        if path.index in self.run.arriving:
            await self.step(path, partial(self._interrupted, path))
        while path.place in ("thinking", "meeting", "last call"):
            await self.step(path, partial(self._kept if path.place == "last call" else self._closing, path))
        await self.think(path)

    async def stop(self, path: Path) -> None:
        """Ends the path where it is; tokens that had come by then stay in it and are counted."""
        while path.active:
            await self.step(path, partial(self._stopped, path))

    async def fail(self, path: Path, error: str, *, away: bool = False) -> None:
        """Records that the path failed; where its server is away that is told, and not journaled."""
        path.unavailable = away
        await self.step(path, partial(self._failed, path, error))

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

    async def step(self, path: Path, make: MakeStep) -> Step:
        """Takes the step that is in the journal, or makes it and writes it there first."""
        run = self.run
        key = f"{path.name}/{path.steps}"
        live = key not in run.journal

        async def record() -> dict[str, object]:
            return {"path": path.index, "mode": run.engine.info.mode, **(await make()).to_json()}

        value = await (record() if path.unavailable else run.journal.once(key, record))
        with reading(key):
            step = Step.from_json(value)
        run.arriving.pop(path.index, None)
        path.apply(step)
        for told in () if live else step.told:
            run.tell("tokens", path.index, told, live=False)
        run.tell(step.kind, path.index, value, live=live)
        if not path.active:
            await run.engine.release(path.name)
        return step

    async def _prompt(self, path: Path, prompt: str) -> Step:
        run = self.run
        begun = await run.dialect.beginning(prompt, run.opening(path.index, meets=self.meets), run.history)
        spans = [Span(kind, ids, text, len(ids) or about(text)) for kind, ids, text in begun]
        context, answer = run.engine.info.context, run.profile.answer_tokens
        if context is not None and len(spans[0].ids) + answer >= context:
            raise TertuliaError(
                f"the question takes {len(spans[0].ids)} tokens, but the context holds {context}, {answer} of them "
                "kept for the answer: shorten the question, or give the engine a longer context"
            )
        if path.index < len(run.beginnings) and (beginning := run.beginnings[path.index]) is not None:
            spans.append(beginning)
        return Step("prompt", tuple(spans))

    async def _segment(self, path: Path) -> Step:
        settings, profile, dialect = self.run.settings, self.run.profile, self.run.dialect
        limit, meeting = self._limit(path)
        stop = (OPEN,) if self.meets and settings.self_opened else ()
        if meeting == "due":
            stop = (*stop, "\n")
        calls = self.meets and settings.last_call > 0
        came = await self.run.generate(path, (), limit, "thought", stop=stop, stop_at_close=calls)
        room = self.room(path) - came.count
        least = 0 if settings.summaries == "read" or profile.reads_thought else profile.summary_tokens
        call = calls and path.last_calls < settings.last_call and room > least
        close = find_close(came.tokens, dialect.close_ids, dialect.think_close)
        if close is not None:
            return self._closed(path, came, *close, call=call and close[1] == len(came.tokens))
        if came.finish == "end":
            return self._ended(path, came, call=call and not dialect.think_close)
        if came.stop == OPEN and room > profile.summary_tokens:
            return thought_step(came, len(came.tokens), "meeting", opened=True)
        if meeting and profile.meets_at_claims:
            states = states_claim(path, came.text, profile.claims.thought_step)
            return thought_step(came, len(came.tokens), "meeting" if states else "thinking")
        if came.finish == "length" and meeting and came.count >= limit:
            tail = profile.tail_tokens if self.run.engine.info.rolls_back else 0
            return thought_step(came, keep_to_boundary(came.tokens, tail), "meeting")
        if loops(path.own_text + came.text):
            return thought_step(came, len(came.tokens), "meeting" if self.meets else "thinking", loop=True)
        return thought_step(came, len(came.tokens), "thinking")

    def _limit(self, path: Path) -> tuple[int, Literal["", "ahead", "due"]]:
        """How many tokens of thought come next, and whether a meeting lies after them or a line end away."""
        settings, room, profile, every = self.run.settings, self.room(path), self.run.profile, self.run.every
        longest = room if profile.meets_at_claims else min(room, LONGEST_SEGMENT)
        if not self.meets:
            return longest, ""
        passed = path.met_at if profile.meets_at_claims else path.thought_tokens
        places = [place - path.thought_tokens for place in settings.meet_at if place > passed]
        if every:
            places.append(every - path.since_meeting)
        # A meeting that leaves nothing to think with afterwards is none.
        if not places or (ahead := max(1, min(places))) + profile.summary_tokens >= room:
            return longest, ""
        if min(places) < 1 and profile.meets_at_claims:
            return min(profile.tail_tokens, room), "due"
        return (ahead, "ahead") if ahead <= longest else (longest, "")

    def _closed(self, path: Path, came: Generation, start: int, end: int, *, call: bool) -> Step:
        if call:
            thought, held = parts(came, ("thought", start), ("thought", end))
            return step_of("thought", came, (thought,), "last call", held=held)
        thought, answer = parts(came, ("thought", end), ("answer", len(came.tokens)))
        if came.finish == "end":
            return self._finished(path, "thought", came, (thought, answer))
        return step_of("thought", came, (thought, answer), "closed")

    def _ended(self, path: Path, came: Generation, *, call: bool) -> Step:
        """A thought that end-of-text closes, as with models that do not think aloud."""
        if not call:
            return self._finished(path, "thought", came, tuple(parts(came, ("thought", len(came.tokens)))))
        start = self._before_end(came)
        thought, held = parts(came, ("thought", start), ("thought", len(came.tokens)))
        return step_of("thought", came, (thought,), "last call", held=held)

    def _finished(
        self, path: Path, kind: Literal["thought", "answer"], came: Generation, spans: tuple[Span, ...]
    ) -> Step:
        """The end of a path; where no answer can be read it is led to one, in the place of the end-of-text."""
        said = "".join(span.text for span in spans)
        if self._answer_in(path, said, ever=False) is not None or not self._may_lead(path, came.count):
            return step_of(kind, came, spans, "finished", data={"answer": self._answer_in(path, said)})
        last = spans[-1] if spans[-1].count else spans[0]
        end = len(came.tokens) - self._before_end(came)
        if not end:
            return step_of(kind, came, spans, "unanswered")
        *_, held = parts(came, (last.kind, len(came.tokens) - end), (last.kind, len(came.tokens)))
        cut = Span(last.kind, last.ids[: len(last.ids) - end], last.text, last.count - held.count)
        return step_of(kind, came, (*spans[: spans.index(last)], cut), "unanswered", held=held)

    def _may_lead(self, path: Path, more: int) -> bool:
        """Whether the path may be led to an answer: it is wished, there is room, and it was not tried before."""
        context = self.run.engine.info.context
        room = self.run.settings.budget - path.tokens.generated - more
        if context is not None:
            room = min(room, context - path.length - more - len(self.run.wording_of(path.index).lead.encode()))
        return self.run.settings.ask_answer and room > LED_TOKENS and path.place != "unanswered"

    def _before_end(self, came: Generation) -> int:
        """Tokens before the end-of-text."""
        return len(came.tokens) - sum(token.id in self.run.engine.info.end_ids for token in came.tokens[-1:])

    def _answer_in(self, path: Path, more: str = "", *, ever: bool = True) -> str | None:
        """The answer in its own words since it last heard something and in what has just come; else in all it said."""
        reads, language = self.run.settings.reads, self.run.settings.language
        answer = extract_answer(path.since_heard + more, reads, language)
        return extract_answer(path.own_text + more, reads, language) if answer is None and ever else answer

    async def _summary(self, path: Path, *, again: bool, aside: bool = False) -> Step:
        words, dialect = self.run.wording_of(path.index), self.run.dialect
        if again:
            cue = words.cue_again
        elif path.opened:
            cue = ""
        else:
            seed = (self.run.settings.seed, self.run.story, path.index, path.steps, "cue")
            cue = draw(*seed).choice(words.cues)
        before = [await self.run.put("cue", cue)] if cue else []
        longest = self.run.profile.summary_tokens // (2 if again else 1)
        limit = max(1, min(longest, self.room(path)))
        came = await self.run.generate(path, before, limit, "summary", stop=(CLOSE,), stop_at_close=True, fork=aside)
        (span,) = parts(came, ("summary", len(came.tokens)))
        longest_text = 8 * self.run.profile.summary_tokens
        text: str | None = neutral(span.text.partition(CLOSE)[0], longest_text)
        place, outcome = path.place, "whole"
        if CLOSE not in span.text and aside:
            text, outcome = neutral(before_close(span.text, dialect.think_close), longest_text) or None, "cut"
        elif CLOSE not in span.text:
            text, outcome = None, "truncated"
            if find_close(came.tokens, dialect.close_ids, dialect.think_close) is not None:
                place, outcome = "closed", "closed"
            elif came.finish == "end":
                place, outcome = "finished", "ended"
        elif not text:
            text, outcome = None, "blank"
        data: dict[str, Any] = {"text": text, "outcome": outcome}
        if aside:
            return step_of("aside", came, (), place, fork=span, data=data)
        if place == "finished":
            data["answer"] = self._answer_in(path)
        release: Literal["discard"] | None = "discard" if path.held is not None else None
        return step_of("summary", came, (*before, span), place, release=release, data=data)

    async def _asked(self, path: Path) -> Step:
        """Asks for the answer so far in a side branch."""
        before = [*self.run.close(), await self.run.put("cue", self.run.wording_of(path.index).lead)]
        came = await self.run.generate(path, before, LED_TOKENS, "answer", stop=LED_STOPS, fork=True)
        (span,) = parts(came, ("answer", len(came.tokens)))
        data = {"claim": (claim := boxed_rest(span.text)), "sure": how_sure(came.tokens, claim) if claim else None}
        return step_of("asked", came, (), path.place, fork=span, data=data)

    async def _heard(self, path: Path, heard: Heard) -> Step:
        words, profile = self.run.wording_of(path.index), self.run.profile
        spans = [await self.run.put("cue", words.cue_give_up)] if path.open_summary else []
        line_end = "" if path.text.endswith("\n") else "\n"
        start = words.after_summary if path.spans[-1].kind == "summary" else line_end
        text = heard.text or (words.loop if path.looping and path.loops < 2 else "")
        if text:
            spans.append(await self.run.put("heard", start + text))
        last = path.place == "last call"
        data: dict[str, object] = {"meeting": path.meetings, "finding": heard.finding, "last_call": last}
        context = self.run.engine.info.context
        length = path.length + sum(span.count for span in spans)
        if context is not None and length + profile.answer_tokens >= context:
            spans, data = spans[:-1], data | {"skipped": "the context is full"}
        release: Literal["keep", "discard"] | None = None
        if path.held is not None:  # the tail of a segment goes only where something takes its place
            release = "discard" if spans or last else "keep"
        return Step("heard", tuple(spans), release=release, data=data)

    async def _kept(self, path: Path) -> Step:
        """Closes a thought that hears nothing new: with its own close, or where a summary came, with ours."""
        place: Place = "closed"
        if not self.run.dialect.think_close:
            readable = self._answer_in(path, ever=False) is not None
            place = "finished" if readable or not self._may_lead(path, 0) else "unanswered"
        data = {"answer": self._answer_in(path)} if place == "finished" else {}
        if path.held is not None:
            return Step("kept", release=None if place == "unanswered" else "keep", place=place, data=data)
        words = self.run.wording_of(path.index)
        spans = [await self.run.put("cue", (words.cue_give_up if path.open_summary else "") + words.after_summary)]
        return Step("kept", tuple(spans + self.run.close()), place=place, data=data)

    async def _closing(self, path: Path) -> Step:
        """Ends a thought for the path: its budget is spent, it repeats itself, or the circle has settled."""
        words = self.run.wording_of(path.index)
        spans = [await self.run.put("cue", words.closing)] if words.closing and self.run.profile.answer_tokens else []
        closes = self.run.close()
        place: Place = "closed" if closes or not self._may_lead(path, 0) else "unanswered"
        return Step("closing", (*spans, *closes), place=place, release="discard" if path.held is not None else None)

    async def _answer(self, path: Path) -> Step:
        limit = self.run.settings.budget - path.tokens.generated
        context = self.run.engine.info.context
        if context is not None:
            limit = min(limit, context - path.length)
        if path.out_of_budget:
            limit = min(limit, self.run.profile.answer_tokens - path.count("answer"))
        if limit < 1:
            return Step("answer", place="finished", data={"finish": "length", "answer": self._answer_in(path)})
        came = await self.run.generate(path, (), limit, "answer")
        spans = tuple(parts(came, ("answer", len(came.tokens))))
        if came.finish == "cut":
            return step_of("answer", came, spans, "closed")
        return self._finished(path, "answer", came, spans)

    async def _led(self, path: Path) -> Step:
        """Leads a path whose answer cannot be read to it: what it writes after our words is its own answer."""
        lead = await self.run.put("cue", self.run.wording_of(path.index).lead)
        release: Literal["discard"] | None = "discard" if path.held is not None else None
        came = await self.run.generate(path, (lead,), LED_TOKENS, "answer", stop=LED_STOPS)
        (span,) = parts(came, ("answer", len(came.tokens)))
        data = {"led": True, "cut": path.out_of_budget, "answer": boxed_rest(span.text)}
        return step_of("answer", came, (lead, span), "finished", release=release, data=data)

    async def _interrupted(self, path: Path) -> Step:
        """What had come when a segment was interrupted."""
        before, kind, tokens = self.run.arriving[path.index]
        came = span_of(kind, tokens)
        if before is None:
            return Step("thought", fork=came, place=path.place, data={"finish": "cut"})
        place: Place = "closed" if kind == "answer" else "thinking"
        spans = (*before, came) if tokens else ()
        release: Literal["discard"] | None = "discard" if path.held is not None and spans else None
        return Step("thought", spans, release=release, place=place, data={"finish": "cut"})

    async def _stopped(self, path: Path) -> Step:
        before, kind, tokens = self.run.arriving.get(path.index, ((), "thought", []))
        came = span_of(kind, tokens)
        spans = (*before, came) if tokens and before is not None else ()
        data = {"text": None, "outcome": "stopped"} if kind == "summary" else {}
        release: Literal["keep", "discard"] | None = None
        if path.held is not None:  # it goes where something was written in its place
            release = "discard" if spans else "keep"
        return Step(
            "stopped", spans, fork=came if before is None else None, release=release, place="stopped", data=data
        )

    async def _failed(self, path: Path, error: str) -> Step:
        release: Literal["keep"] | None = "keep" if path.held is not None else None
        return Step("failed", release=release, place="failed", data={"error": error})
