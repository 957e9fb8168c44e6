"""The names of models, and the files that they stand for.

A model is named by a path, as `hf:org/repo` (with `:QUANT` or `/file.gguf`) for one on the Hugging Face Hub, or
as `ollama:NAME` for one that Ollama has fetched. Which of a repository's files is meant is decided as llama.cpp
does with `-hf`, and its cache is the one that is shared by all who use the hub.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tertulia.engines.base import EngineError
from tertulia.engines.gguf import shards_of
from tertulia.engines.progress import Progress, Tell, untold

SPELLINGS = "give a GGUF file, hf:org/repo (also with :QUANT or /file.gguf), or ollama:NAME"
PREFERRED = ("Q4_K_M", "Q8_0")
_HUB_NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+?)(?::(?P<quant>[\w.-]+)|/(?P<file>.+\.gguf))?$", re.IGNORECASE)
_QUANT = re.compile(r"(?<![A-Za-z])(?:UD-)?(?:I?Q\d\w*|TQ\d\w*|MXFP4\w*|NVFP4\w*|BF16|F16|F32)(?=[.-])", re.IGNORECASE)
_NO_MODEL = re.compile(r"mmproj|imatrix|(?:^|/)mtp-|draft", re.IGNORECASE)
_LATER_SHARD = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_OLLAMA_MODEL = "application/vnd.ollama.image.model"


@dataclass(frozen=True, slots=True)
class HubName:
    """A model on the hub.

    Attributes:
        repo: Such as "org/repo".
        quant: Its quantisation, None where it is not said.
        file: Its file, None where it is not said.
    """

    repo: str
    quant: str | None
    file: str | None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Reads `hf:org/repo`, `hf:org/repo:QUANT` or `hf:org/repo/file.gguf`.

        Raises:
            EngineError: It is none of these.
        """
        found = _HUB_NAME.match(text)
        if found is None:
            raise EngineError(f"{text!r} is no model of a hub: expected hf:org/repo, hf:org/repo:QUANT or "
                              "hf:org/repo/file.gguf")  # fmt: skip
        return cls(found["repo"], found["quant"], found["file"])

    def choose(self, files: Iterable[str]) -> str | None:
        """The file that is meant, of a split model the first; None where there is none.

        Args:
            files: Names of the repository's files.
        """
        if self.file is not None:
            return next((file for file in files if file == self.file), None)
        models = models_among(files)
        for quant in (self.quant,) if self.quant else PREFERRED:
            pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(quant)}[.-]", re.IGNORECASE)
            found = next((file for file in models if pattern.search(file)), None)
            if found is not None:
                return found
        return models[0] if models and self.quant is None else None

    @property
    def settled(self) -> bool:
        """Whether it names one file, whatever else the repository has."""
        return bool(self.quant or self.file)


def models_among(files: Iterable[str]) -> list[str]:
    """The models among a repository's files, by name: no projectors, no drafts, of a split model the first file."""
    models = [file for file in sorted(files) if file.lower().endswith(".gguf")]
    return [file for file in models if not (_LATER_SHARD.search(file) or _NO_MODEL.search(file))]


def resolve_model(text: str | Path, tell: Tell = untold) -> Path:
    """The file that a model's name stands for; it is downloaded if it is not there.

    Args:
        text: A path, `hf:...` or `ollama:...`.
        tell: Told of sizes and progress.

    Raises:
        EngineError: There is no such model, or it cannot be had. One line.
    """
    name = str(text).strip()
    if not name:
        raise EngineError(f"the name of the model is empty: {SPELLINGS}")
    if name.lower().startswith("hf:"):
        return _from_hub(HubName.parse(name), tell)
    if name.lower().startswith("ollama:"):
        return _from_ollama(name[len("ollama:") :])
    path = Path(name).expanduser()
    if not path.exists():
        meant = f": is hf:{name} meant? Else" if re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", name) else ":"
        raise EngineError(f"cannot read the model {path}: No such file or directory{meant} {SPELLINGS}")
    return path


def _from_hub(name: HubName, tell: Tell) -> Path:
    here = cached(name)
    if here is not None and (name.settled or re.search(rf"{PREFERRED[0]}[.-]", here.name, re.IGNORECASE)):
        return here
    from tertulia.engines.download import NoConnection, fetch

    try:
        return fetch(name, tell)
    except NoConnection as error:
        if here is None:
            raise
        tell(Progress(f"{error.short}: going on with {here.name}, which is here"))
        return here


def cached(name: HubName) -> Path | None:
    """The file that a name stands for, among those that were downloaded; None where it is not, or not whole."""
    for folder in _snapshots(name.repo):
        found = name.choose(file.relative_to(folder).as_posix() for file in folder.rglob("*.gguf") if file.exists())
        if found is not None and _whole(folder / found):
            return folder / found
    # llama.cpp kept a folder of its own until it came to share the hub's.
    for folder in _folders_of_llama_cpp():
        beginning = name.repo.replace("/", "_") + "_"
        files = {file.name.removeprefix(beginning): file for file in folder.glob(f"{beginning}*.gguf")}
        wanted = HubName(name.repo, name.quant, name.file and name.file.rsplit("/", 1)[-1])
        found = wanted.choose(files)
        if found is not None and _whole(files[found]):
            return files[found]
    return None


def _snapshots(repo: str) -> Iterator[Path]:
    """The downloaded versions of a repository, today's first."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE).expanduser() / f"models--{repo.replace('/', '--')}"
    versions = sorted((folder / "snapshots").glob("*"), key=lambda version: version.stat().st_mtime, reverse=True)
    try:
        present = (folder / "refs" / "main").read_text().strip()
    except OSError:
        present = ""
    return iter(sorted(versions, key=lambda version: version.name != present))


def _folders_of_llama_cpp() -> list[Path]:
    told = os.environ.get("LLAMA_CACHE")
    if told:
        return [Path(told)]
    home = Path.home()
    caches = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return [Path(os.environ.get("XDG_CACHE_HOME") or caches) / "llama.cpp"]


def _whole(file: Path) -> bool:
    try:
        return all(part.exists() for part in shards_of(file))
    except EngineError:
        return False


def _from_ollama(name: str) -> Path:
    """The file of a model that Ollama has fetched: its manifests name the blobs by their digests."""
    place, _, tag = name.partition(":")
    parts = [part for part in place.split("/") if part]
    if not parts or any(part in (".", "..") for part in [*parts, tag]):
        raise EngineError(f"'ollama:{name}' is no model of Ollama: expected ollama:NAME or ollama:NAME:TAG")
    beginning = ["registry.ollama.ai", "library"][: max(0, 3 - len(parts))]
    inside = Path(*beginning, *parts, tag or "latest")
    roots = _folders_of_ollama()
    for root in roots:
        manifest = root / "manifests" / inside
        if manifest.is_file():
            return _blob(root, manifest, name)
    names = sorted({known for root in roots for known in _known_to_ollama(root)})
    have = f"it has {', '.join(names[:8])}" if names else f"nothing is under {roots[0]}"
    raise EngineError(f"Ollama has no model {name!r} here ({have}): fetch it with 'ollama pull {name}'")


def _blob(root: Path, manifest: Path, name: str) -> Path:
    try:
        layers = json.loads(manifest.read_text("utf-8"))["layers"]
        digests = [str(layer["digest"]) for layer in layers if layer["mediaType"] == _OLLAMA_MODEL]
    except (OSError, ValueError, KeyError, TypeError):
        raise EngineError(
            f"{manifest} is no manifest of Ollama: fetch the model again with 'ollama pull {name}'"
        ) from None
    blobs = [root / "blobs" / digest.replace(":", "-") for digest in digests if "/" not in digest]
    if not blobs or not blobs[0].is_file():
        raise EngineError(
            f"the file of ollama:{name} is missing under {root / 'blobs'}: 'ollama pull {name}' fetches it"
        )
    return blobs[0]


def _folders_of_ollama() -> Sequence[Path]:
    told = os.environ.get("OLLAMA_MODELS")
    if told:
        return [Path(told).expanduser()]
    # The second is where its system service keeps them on Linux.
    return [Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]


def _known_to_ollama(root: Path) -> Iterator[str]:
    base = root / "manifests"
    try:
        files = [file for file in base.rglob("*") if file.is_file()]
    except OSError:
        return
    for file in files:
        *folders, tag = file.relative_to(base).parts
        yield "/".join(folders).removeprefix("registry.ollama.ai/").removeprefix("library/") + f":{tag}"


def quants_of(files: Iterable[str]) -> list[str]:
    """The quantisations that a repository has, by the names of its files."""
    return sorted({found[0].upper() for file in models_among(files) if (found := _QUANT.search(file))})
