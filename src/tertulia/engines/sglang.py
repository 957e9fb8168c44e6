"""The dialect of SGLang: its native `/generate`."""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from tertulia.engines.answer import Fields, Malformed, number
from tertulia.engines.base import Request
from tertulia.engines.servers import SEED_LIMIT, Dialect, Json, Part


class Sglang(Dialect):
    """SGLang's `/generate`, which every version serves with ids in and out.

    By default its stream repeats all that was said with every token; stretches of 256 tokens keep that short,
    and its prefix cache makes the next stretch cheap.
    """

    name = "sglang"
    slice_tokens = 256

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        return "/generate", {
            "input_ids": request.ids,
            "sampling_params": {
                "max_new_tokens": request.max_tokens,
                **asdict(request.sampling),
                "top_k": request.sampling.top_k or -1,
                "sampling_seed": request.seed % SEED_LIMIT,
                "stop": request.stop,
                "stop_token_ids": request.stop_ids,
                "no_stop_trim": True,
                "skip_special_tokens": False,
                "spaces_between_special_tokens": False,
            },
            "stream": True,
        } | ({"return_logprob": True} if request.logprobs else {})

    def read(self, part: Part, payload: Fields) -> None:
        about = payload.child("meta_info")
        reason = about.raw("finish_reason")
        if reason is not None:
            ended = Fields({"type": reason} if isinstance(reason, str) else reason, "finish_reason")
            part.end(ended.text("type"), ended.text("message"), ended.raw("matched"))
        if "output_ids" not in payload and payload.text("text"):
            raise Malformed("this SGLang tells no token ids (output_ids): update it, or use dialect 'openai'")
        known = len(part.ids)
        ids = payload.ids("output_ids") if "output_ids" in payload else []
        new = self._new_ids(part, ids, about.count("completion_tokens"))
        rows = about.rows("output_token_logprobs")
        rows = rows[known:] if len(rows) == known + len(new) else rows
        same = [row[1] for row in rows] == new
        text = payload.text("text")[sum(map(len, part.texts)) if part.repeats else 0 :]
        part.add(new, text, [number(row[0]) for row in rows] if same else ())
        part.spoken |= bool(text)
        part.usage.take(about, about)

    @staticmethod
    def _new_ids(part: Part, ids: list[int], total: int | None) -> list[int]:
        """Those of `ids` that have not come before, by the server's count of all that it has generated.

        Some servers repeat all with every event, others tell only what is new; some put the end of the context
        before it, some leave out the token that ended the text.

        Raises:
            Malformed: It is none of these; a guess would double tokens or lose some.
        """
        known = part.ids
        wrong = Malformed(f"output_ids holds {len(ids)} ids where completion_tokens is {total} and {len(known)} came")
        if total is None:
            raise wrong
        echoed = len(ids) - total
        if echoed > 0 and tuple(ids[:echoed]) == part.prompt[-echoed:]:
            ids = ids[echoed:]
        left_out = int(part.finish in ("stop", "end"))
        if part.repeats is None and known:
            if left_out and ids == known and len(ids) + 1 == total == 2 and not isinstance(part.matched, int):
                raise wrong  # one token twice, or one token and the end of the text
            last = isinstance(part.matched, int) and ids == known
            part.repeats = len(ids) == total or last or len(known) + len(ids) != total
        before = 0 if part.repeats or not known else len(known)
        if part.repeats and ids[: len(known)] != known:
            raise wrong
        missing = total - before - len(ids)
        if missing < 0 or (missing > left_out and (part.finish or part.repeats is False)):
            raise wrong
        return ids[len(known) :] if part.repeats else ids
