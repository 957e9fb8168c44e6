"""What a GGUF file says of its model, read without loading it.

The layout is that of the GGUF specification, versions 2 and 3: a header, then keys with typed values. Only
these are read; the tensors are not.
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tertulia.engines.base import EngineError

MOST_KEYS = 100_000
LONGEST_TEXT = 1 << 26
READ_OUT = 1024
"""Arrays of numbers up to this length are read; of others only the length is told."""

_NUMBERS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)

# Bytes of a cache element, as llama.cpp lays them out (q8_0: 32 values and their scale in 34 bytes).
CACHE_TYPES: Final = {"f16": 2.0, "q8_0": 34 / 32}
# Every so many layers one sees the whole context; the files of these families do not say it.
_WHOLE_EVERY: Final = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4}


@dataclass(frozen=True, slots=True)
class Skipped:
    """An array that was not read out, with its length."""

    count: int


def read_metadata(path: Path) -> dict[str, Any]:
    """The keys of a GGUF file and their values.

    Args:
        path: The file; of a model in several files, any of them.

    Returns:
        Numbers, truths, texts, lists of up to `READ_OUT` numbers, and `Skipped` for all other arrays.

    Raises:
        EngineError: It cannot be read, or is damaged. One line.
    """
    try:
        with path.open("rb") as handle:
            magic = handle.read(4)
            if magic != b"GGUF":
                raise EngineError(f"{path} is no GGUF file (it begins with {magic!r}): give a model in GGUF format")
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).metadata()
    except OSError as error:
        raise EngineError(f"cannot read the model {path}: {error.strerror}; give a GGUF file") from None
    except (struct.error, ValueError) as error:
        raise EngineError(f"{path} is damaged ({error}): fetch the GGUF file again") from None


class _Reader:
    """Reads on from a place in the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def metadata(self) -> dict[str, Any]:
        version = self._number(4)
        if version not in (2, 3):
            raise ValueError(f"its GGUF version is {version}, expected 2 or 3")
        self._number(10)  # how many tensors there are
        count = self._number(10)
        if count > MOST_KEYS:
            raise ValueError(f"it claims {count} keys")
        return {self._text(): self._value(self._number(4)) for _ in range(count)}

    def _number(self, kind: int) -> Any:
        form = _NUMBERS.get(kind)
        if form is None:
            raise ValueError(f"there is no type {kind}")
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _text(self) -> str:
        length = self._number(10)
        start = self._skip(length)
        if length > LONGEST_TEXT:
            raise ValueError(f"a text of {length} bytes")
        return self._data[start : start + length].decode("utf-8", "replace")

    def _skip(self, length: int) -> int:
        """Passes over so many bytes and returns where they began."""
        start = self._at
        if length > len(self._data) - start:
            raise ValueError("it ends too early")
        self._at += length
        return start

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self._text()
        return self._array() if kind == _ARRAY else self._number(kind)

    def _array(self) -> list[Any] | Skipped:
        kind, count = self._number(4), self._number(10)
        if kind == _TEXT:
            self._skip_texts(count)
            return Skipped(count)
        if kind not in _NUMBERS:
            raise ValueError(f"an array of type {kind}")
        start = self._skip(count * struct.calcsize(_NUMBERS[kind]))
        if count > READ_OUT:
            return Skipped(count)
        return list(struct.unpack_from(f"<{count}{_NUMBERS[kind][1]}", self._data, start))

    def _skip_texts(self, count: int) -> None:
        if count * 8 > len(self._data) - self._at:
            raise ValueError("it ends too early")
        # A vocabulary has some hundred thousand texts: the names at hand make this three times as fast.
        unpack, data, at, end = struct.Struct("<Q").unpack_from, self._data, self._at, len(self._data)
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
            if at > end:
                raise ValueError("it ends too early")
        self._at = at


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """What a GGUF file says of its model, as far as running it depends on it.

    Attributes:
        file: The file, of several the first.
        size: Bytes on disk, all files.
        shards: How many files the model has.
        architecture: llama.cpp's name of the family, such as "qwen2".
        name: The model's own name, empty where it has none.
        trained_context: Longest context that it was trained for, in tokens; None where the file does not say.
        kv_heads: Heads of the key and value cache, a layer; 0 for a layer without one.
        key_length: Numbers of a key, a head.
        value_length: Numbers of a value, a head.
        window: Tokens that a layer with a sliding window sees; None where all layers see everything.
        windowed: Whether a layer sees its window only, a layer.
        embedding: Width of the model.
        vocabulary: Tokens that it knows; 0 where the file does not say.
        state_bytes: What a path's recurrent state takes, whatever its length.
        chat_template: Its chat template (Jinja), None where there is none.
        sampling: What the file recommends: the keys of `general.sampling` without this beginning.
        rolls_back: Whether a context can be shortened: not where layers are recurrent.
    """

    file: Path
    size: int
    shards: int
    architecture: str
    name: str
    trained_context: int | None
    kv_heads: tuple[int, ...]
    key_length: int
    value_length: int
    window: int | None
    windowed: tuple[bool, ...]
    embedding: int
    vocabulary: int
    state_bytes: int
    chat_template: str | None
    sampling: dict[str, float]
    rolls_back: bool

    @classmethod
    def read(cls, path: Path) -> GgufFacts:
        """The facts of a file.

        Raises:
            EngineError: It cannot be read, is damaged or no language model, or a file of several is missing.
        """
        files = shards_of(path)
        own = read_metadata(files[0])
        kind, family = own.get("general.type", "model"), str(own.get("general.architecture", ""))
        if kind != "model" or not family or family == "clip":
            raise EngineError(f"{path} is no language model ({kind} {family}): give the GGUF file of the model itself")
        try:
            return _facts(files, own, family)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise EngineError(f"{path} describes its model badly ({error}): fetch the GGUF file again") from None

    def kv_bytes_per_token(self, kind: str) -> float:
        """What a token of a path takes in the cache, in bytes, in layers that see everything.

        Args:
            kind: A type of `CACHE_TYPES`.
        """
        return self._heads(windowed=False) * self._numbers * CACHE_TYPES[kind]

    def cache_bytes(self, context: int, kind: str, batch: int) -> int:
        """What a path with such a context takes.

        Args:
            context: Tokens.
            kind: A type of `CACHE_TYPES`.
            batch: Tokens computed at once: layers with a window hold so many more.
        """
        seen = min(context, (self.window or 0) + batch)
        inside = self._heads(windowed=True) * self._numbers * CACHE_TYPES[kind] * seen
        return int(self.kv_bytes_per_token(kind) * context + inside) + self.state_bytes

    @property
    def _numbers(self) -> int:
        return self.key_length + self.value_length

    def _heads(self, *, windowed: bool) -> int:
        return sum(heads for heads, within in zip(self.kv_heads, self.windowed, strict=True) if within is windowed)


def shards_of(path: Path) -> list[Path]:
    """All files of a model, in order: the one given, or those it is split into.

    Raises:
        EngineError: One is missing.
    """
    found = _SHARD.search(path.name)
    if found is None:
        return [path]
    count = int(found[2])
    stem = path.name[: found.start()]
    files = [path.with_name(f"{stem}-{number:05}-of-{found[2]}.gguf") for number in range(1, count + 1)]
    for file in files:
        if not file.exists():
            raise EngineError(f"{path.name} is one of {count} files, and {file} is missing: put all into one folder")
    return files or [path]


def _facts(files: list[Path], own: dict[str, Any], family: str) -> GgufFacts:
    def of(key: str, default: Any = None) -> Any:
        return own.get(f"{family}.{key}", default)

    layers, width = int(of("block_count", 0)), int(of("embedding_length", 0))
    heads = of("attention.head_count", 1)
    most = max(heads) if isinstance(heads, list) else int(heads)
    told = of("attention.head_count_kv", heads)
    kv_heads = tuple(map(int, told)) if isinstance(told, list) else (int(told),) * layers
    interval = of("full_attention_interval")
    if interval:
        kv_heads = tuple(count if layer % int(interval) == 0 else 0 for layer, count in enumerate(kv_heads, 1))
    key = int(of("attention.key_length", width // max(1, most)))
    window, context = of("attention.sliding_window"), of("context_length")
    tokens = own.get("tokenizer.ggml.tokens")
    vocabulary = len(tokens) if isinstance(tokens, list) else getattr(tokens, "count", 0)
    recurrent = [name for name in own if name.startswith((f"{family}.ssm.", f"{family}.shortconv.", f"{family}.wkv."))]
    mixing = layers if 0 not in kv_heads else kv_heads.count(0)
    state = int(of("ssm.inner_size", 0)) * (int(of("ssm.state_size", 0)) + int(of("ssm.conv_kernel", 0)))
    template = own.get("tokenizer.chat_template")
    beginning = "general.sampling."
    return GgufFacts(
        file=files[0],
        size=sum(file.stat().st_size for file in files),
        shards=len(files),
        architecture=family,
        name=str(own.get("general.name", "")),
        trained_context=int(context) if context else None,
        kv_heads=kv_heads,
        key_length=key,
        value_length=int(of("attention.value_length", key)),
        window=int(window) if window else None,
        windowed=_windowed(of("attention.sliding_window_pattern"), family, len(kv_heads), window),
        embedding=width,
        vocabulary=int(vocabulary or of("vocab_size", 0)),
        state_bytes=4 * mixing * state,
        chat_template=template if isinstance(template, str) else None,
        sampling={
            name.removeprefix(beginning): value
            for name, value in own.items()
            if name.startswith(beginning) and isinstance(value, int | float)
        },
        rolls_back=not recurrent,
    )


def _windowed(pattern: Any, family: str, layers: int, window: Any) -> tuple[bool, ...]:
    """Whether each layer sees a window only; where that is not known, they are taken to see everything."""
    if not window:
        return (False,) * layers
    if isinstance(pattern, list):
        return (*map(bool, pattern), *(False,) * layers)[:layers]
    period = pattern if isinstance(pattern, int) and pattern > 0 else _WHOLE_EVERY.get(family, 1)
    return tuple(layer % period != 0 for layer in range(1, layers + 1))
