"""An engine on a torch model of this process: it samples from the weights as they are at this moment.

Requests that come together are continued as one padded batch. Between requests the keys and values of each path are
kept, so only tokens that were put in since are read again. The weights must not change while the engine is entered.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache

from tertulia.engines.base import EngineError, EngineInfo, Finish, Generation, OnTokens, Request, StopMatcher, Token
from tertulia.errors import TertuliaError

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of one path, by layer, each (heads, tokens, head size)."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A token that was drawn, and the logarithm of its probability at the temperature it was drawn at."""

    id: int
    logprob: float


@dataclass
class _Row:
    """One request in a batch."""

    request: Request
    limit: int
    done: asyncio.Future[Generation]
    ids: list[int]
    tokens: list[Token] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None
    stop: str | None = None
    cached: int = 0
    split: list[int] = field(default_factory=list)
    """Ids at the end whose character is not whole yet."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.request.seed)
        self.stream = DecodeStream(skip_special_tokens=False)
        self.matcher = StopMatcher(self.request.stop)


class TransformersTokenizer:
    """What an engine is asked before it generates, by a transformers tokenizer alone.

    Args:
        tokenizer: One with a fast backend.
        name: What the model is called.
        context: Tokens that the model reads at most.
        end_ids: Ids that end a text.
    """

    def __init__(
        self, tokenizer: Any, *, name: str = "", context: int | None = None, end_ids: tuple[int, ...] = ()
    ) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise TertuliaError(f"the tokenizer of {name or 'the model'} has no fast backend: use a fast tokenizer")
        self.tokenizer = tokenizer
        self._special = backend
        self._plain = _without_control(backend)
        self.info = EngineInfo(
            name="transformers",
            url="",
            model=name,
            context=context,
            mode="ids",
            end_ids=end_ids,
            chat_template=tokenizer.chat_template,
            beginning=_beginning(tokenizer),
        )

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`."""
        backend = self._special if special else self._plain
        return tuple(backend.encode(text, add_special_tokens=False).ids)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        return str(self._special.decode(list(ids), skip_special_tokens=False))

    async def render(
        self, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any] | None = None
    ) -> str | None:
        """The messages in the model's chat template; None where it has none."""
        if self.tokenizer.chat_template is None:
            return None
        asked = {**(options or {}), "tokenize": False, "add_generation_prompt": True}
        return str(self.tokenizer.apply_chat_template(list(messages), **asked))


class TransformersEngine(TransformersTokenizer):
    """Continues token ids with a transformers model.

    It draws from the whole distribution, at the request's temperature: a filter (`top_p`, `top_k`, `min_p`) would
    make another policy than the one whose log-probabilities are trained.

    Args:
        model: A causal language model; it is put into evaluation mode while the engine is entered.
        tokenizer: Its tokenizer, with a fast backend.
        name: What the model is called.
        most: Paths continued in one batch at most.
        window: Seconds that a batch waits for further requests, as long as some keep coming.

    Attributes:
        sampled: What was drawn, by path and by place in the path. A place that was cut off and written again holds
            what was written last.
        batches: Rows of each batch so far.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "", most: int = 64, window: float = 0.002) -> None:
        config = model.config.get_text_config()
        context = getattr(config, "max_position_embeddings", None)
        super().__init__(tokenizer, name=name, context=context, end_ids=_end_ids(model, tokenizer))
        self.model = model
        self._most, self._window = most, window
        self._waiting: list[_Row] = []
        self._serving: asyncio.Task[None] | None = None
        self._kept: dict[str, tuple[list[int], Layers]] = {}
        self._split: dict[str, list[int]] = {}
        self.sampled: dict[str, dict[int, Sampled]] = {}
        self.batches: list[int] = []
        # Beside padding a sliding window would slide over other tokens than it should.
        self._keeps = set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Continue `request.ids`, in a batch with whatever else has been asked for.

        Raises:
            EngineError: The context is full, or the sampling has a filter.
        """
        sampling = request.sampling
        if sampling.top_p < 1 or sampling.top_k or sampling.min_p:
            raise EngineError(
                f"the transformers engine draws from the whole distribution, and top_p is {sampling.top_p}, "
                f"top_k {sampling.top_k}, min_p {sampling.min_p}: ask for top_p 1, top_k 0, min_p 0"
            )
        room = (self.info.context or 2**31) - len(request.ids)
        if room < 1:
            raise EngineError(
                f"the context of {len(request.ids)} tokens fills the model's {self.info.context}: ask for a smaller one"
            )
        done: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        row = _Row(request, min(request.max_tokens, room), done, list(request.ids))
        begun = self._split.pop(request.path, [])
        if begun and row.ids[-len(begun) :] == begun:
            # A character that the path's former request left in the middle belongs to the token that completes it.
            row.split = [token for token in begun if row.stream.step(self._special, token) is None]
        self._waiting.append(row)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        generation = await done
        if on_tokens is not None and generation.tokens:
            on_tokens(generation.tokens)
        return generation

    async def release(self, path: str) -> None:
        """Forget the path's keys and values; what was sampled stays."""
        self._kept.pop(path, None)
        self._split.pop(path, None)

    async def __aenter__(self) -> Self:
        self._training = self.model.training
        self.model.eval()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._serving is not None:
            # A batch in the thread uses the weights, which may change as soon as we are gone.
            await asyncio.gather(self._serving, return_exceptions=True)
        self._kept.clear()
        self.model.train(self._training)

    async def _serve(self) -> None:
        while self._waiting:
            seen = 0
            while seen < len(self._waiting):
                seen = len(self._waiting)
                await asyncio.sleep(self._window)
            rows = [row for row in self._waiting[: self._most] if not row.done.done()]
            self._waiting = self._waiting[self._most :]
            if not rows:
                continue
            self.batches.append(len(rows))
            try:
                await asyncio.to_thread(self._continue, rows)
            except Exception as error:  # a model can fail in any way; whoever asked must hear of it
                for row in rows:
                    if not row.done.done():
                        row.done.set_exception(error)
                continue
            for row in rows:
                self._finish(row)

    def _finish(self, row: _Row) -> None:
        """Answers one request."""
        start = len(row.request.ids)
        places = self.sampled.setdefault(row.request.path, {})
        for place, (token, logprob) in enumerate(zip(row.tokens, row.logprobs, strict=True), start):
            places[place] = Sampled(token.id, logprob)
        self._split[row.request.path] = row.split
        if not row.done.done():
            assert row.finish is not None
            row.done.set_result(Generation(tuple(row.tokens), row.finish, row.stop, start, row.cached))

    @torch.no_grad()
    def _continue(self, rows: list[_Row]) -> None:
        """Generates for all rows until the last has come to its end."""
        cache, mask, logits = self._read(rows)
        while True:
            self._draw(rows, logits)
            going = [at for at, row in enumerate(rows) if row.finish is None]
            for at, row in enumerate(rows):
                if row.finish is not None and self._keeps:
                    self._kept[row.request.path] = row.ids[:-1], _own(cache, at, mask[at].bool())
            if not going:
                return
            if len(going) < len(rows):
                chosen = torch.tensor(going, device=self.model.device)
                cache.batch_select_indices(chosen)
                mask, rows = mask[chosen], [rows[at] for at in going]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            last = torch.tensor([[row.ids[-1]] for row in rows], device=self.model.device)
            places = torch.tensor([[len(row.ids) - 1] for row in rows], device=self.model.device)
            logits = self._forward(last, mask, places, cache)

    def _read(self, rows: list[_Row]) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
        """The contexts, as far as they are not kept: cache, mask (rows, tokens) and logits (rows, vocabulary).

        Each row is laid out as padding, kept tokens, padding, new tokens.
        """
        kept = [self._kept.pop(row.request.path, None) for row in rows]
        for row, known in zip(rows, kept, strict=True):
            row.cached = 0 if known is None else min(_common(row.ids, known[0]), len(row.ids) - 1)
        past = max(row.cached for row in rows)
        new = max(len(row.ids) - row.cached for row in rows)
        shape = (len(rows), new)
        ids, places = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        mask = torch.zeros(len(rows), past + new, dtype=torch.long)
        for at, row in enumerate(rows):
            fresh = len(row.ids) - row.cached
            ids[at, new - fresh :] = torch.tensor(row.ids[row.cached :])
            places[at, new - fresh :] = torch.arange(row.cached, len(row.ids))
            mask[at, past - row.cached : past] = 1
            mask[at, past + new - fresh :] = 1
        cache = DynamicCache()
        if past:
            lengths = [row.cached for row in rows]
            _fill(cache, [None if known is None else known[1] for known in kept], lengths, past)
        device = self.model.device
        mask = mask.to(device)
        return cache, mask, self._forward(ids.to(device), mask, places.to(device), cache)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, places: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits

    def _draw(self, rows: list[_Row], logits: torch.Tensor) -> None:
        """One token for each row, by inversion: a row's own random number chooses, whatever stands beside it."""
        heats = [row.request.sampling.temperature for row in rows]
        scale = torch.tensor([heat or 1.0 for heat in heats], device=logits.device)
        logprobs = torch.log_softmax(logits / scale[:, None], dim=-1)  # (rows, vocabulary)
        summed = logprobs.double().exp().cumsum(dim=-1)
        chances = torch.tensor([[row.draw.random()] for row in rows], dtype=torch.float64, device=logits.device)
        drawn = torch.searchsorted(summed, chances * summed[:, -1:], right=True).clamp(max=logits.shape[-1] - 1)
        cold = torch.tensor([[heat == 0] for heat in heats], device=logits.device)
        drawn = torch.where(cold, logits.argmax(dim=-1, keepdim=True), drawn)
        chosen = logprobs.gather(1, drawn)
        for row, token, logprob in zip(rows, drawn[:, 0].tolist(), chosen[:, 0].tolist(), strict=True):
            self._take(row, token, logprob)

    def _take(self, row: _Row, token: int, logprob: float) -> None:
        ends = token in self.info.end_ids
        told = "" if ends else row.stream.step(self._special, token)
        row.split = [*row.split, token] if told is None else []
        text = (told or "").replace("\ufffd", "")
        row.ids.append(token)
        row.tokens.append(Token(token, text, logprob if row.request.logprobs else None))
        row.logprobs.append(logprob)
        stop = row.matcher.feed(text)
        if token in row.request.stop_ids:
            row.finish, row.stop = "stop", text
        elif stop is not None:
            row.finish, row.stop = "stop", stop
        elif ends:
            row.finish = "end"
        elif len(row.tokens) >= row.limit:
            row.finish = "length"


def _end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Ids that end a text, by the tokenizer and by the model's own configuration."""
    told = getattr(model.generation_config, "eos_token_id", None)
    found = [tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])]
    return tuple(dict.fromkeys(int(token) for token in found if token is not None))


def _beginning(tokenizer: Any) -> str:
    """The token that encoding puts before a text, where the tokenizer has one."""
    first = tokenizer.bos_token
    return first if first and first in tokenizer.decode(tokenizer("")["input_ids"]) else ""


def _without_control(backend: Tokenizer) -> Tokenizer:
    """The same tokenizer, to which control tokens written in a text are ordinary characters."""
    data = json.loads(backend.to_str())
    data |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    plain: Tokenizer = Tokenizer.from_str(json.dumps(data))
    return plain


def _common(ids: Sequence[int], known: Sequence[int]) -> int:
    """Length of the common beginning."""
    same = 0
    for mine, theirs in zip(ids, known, strict=False):
        if mine != theirs:
            break
        same += 1
    return same


def _own(cache: DynamicCache, row: int, mask: torch.Tensor) -> Layers:
    """Keys and values of one row, without its padding."""
    layers: list[Any] = list(cache.layers)
    return [(layer.keys[row][:, mask], layer.values[row][:, mask]) for layer in layers]


def _fill(cache: DynamicCache, kept: Sequence[Layers | None], lengths: Sequence[int], past: int) -> None:
    """Puts kept keys and values side by side, padded on the left to `past` tokens."""
    known = next(layers for layers in kept if layers is not None)
    for layer, (some, _) in enumerate(known):
        heads, _, size = some.shape
        keys, values = (some.new_zeros(len(kept), heads, past, size) for _ in range(2))
        for row, (layers, length) in enumerate(zip(kept, lengths, strict=True)):
            if layers is not None:
                keys[row, :, past - length :] = layers[layer][0][:, :length]
                values[row, :, past - length :] = layers[layer][1][:, :length]
        cache.update(keys, values, layer)
