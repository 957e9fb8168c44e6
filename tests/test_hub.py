"""Models by name: of a hub, of Ollama, of an old cache of llama.cpp, or a path."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from fake_hub import COMMIT, FakeHub
from tertulia.engines import download
from tertulia.engines.base import EngineError
from tertulia.engines.hub import HubName, quants_of, resolve_model
from tertulia.engines.progress import Progress

WEIGHTS = b"GGUF" + bytes(range(256)) * 12_000
REPO = "org/small-GGUF"
FILES = {
    "README.md": b"hello",
    "mmproj-small-Q8_0.gguf": b"GGUF projector",
    "small-IQ2_M.gguf": b"GGUF two",
    "small-Q4_K_M.gguf": WEIGHTS,
    "small-Q8_0.gguf": b"GGUF eight",
    "small.imatrix.gguf": b"GGUF matrix",
    "big/small-F16-00001-of-00002.gguf": b"GGUF one of two",
    "big/small-F16-00002-of-00002.gguf": b"GGUF two of two",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    repos = {REPO: FILES, "org/weights": {"model.safetensors": b"x"}, "org/odd": {"b-x.gguf": b"2", "a-x.gguf": b"1"}}
    with FakeHub(repos).serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / "llama.cpp"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("hf:org/m", "small-Q4_K_M.gguf"),
        ("hf:org/m:Q8_0", "small-Q8_0.gguf"),
        ("hf:org/m:iq2_m", "small-IQ2_M.gguf"),
        ("hf:org/m:F16", "big/small-F16-00001-of-00002.gguf"),
        ("hf:org/m/small-Q8_0.gguf", "small-Q8_0.gguf"),
        ("hf:org/m/big/small-F16-00001-of-00002.gguf", "big/small-F16-00001-of-00002.gguf"),
        ("hf:org/m:Q5_K_M", None),
        ("hf:org/m:Q4", None),
        ("hf:org/m/other.gguf", None),
    ],
)
def test_a_name_means_one_file(name: str, file: str | None) -> None:
    assert HubName.parse(name).choose(FILES) == file


def test_without_a_usual_quantisation_it_is_the_first_model() -> None:
    assert (
        HubName.parse("hf:a/b").choose(["z-IQ3_M.gguf", "mmproj-a.gguf", "mtp-a.gguf", "c-Q8_0.gguf"]) == "c-Q8_0.gguf"
    )
    assert HubName.parse("hf:a/b").choose(["z-IQ3_M.gguf", "a-draft.gguf", "x-Q6_K.gguf"]) == "x-Q6_K.gguf"
    assert HubName.parse("hf:a/b").choose(["mmproj-a.gguf", "README.md"]) is None
    assert quants_of(FILES) == ["F16", "IQ2_M", "Q4_K_M", "Q8_0"]


def test_a_model_is_fetched_once_into_the_shared_cache(hub: FakeHub, tmp_path: Path) -> None:
    told: list[Progress] = []
    file = resolve_model(f"hf:{REPO}", told.append)
    assert file.read_bytes() == WEIGHTS
    assert file == tmp_path / "hub/models--org--small-GGUF/snapshots" / COMMIT / "small-Q4_K_M.gguf"
    assert (tmp_path / "hub/models--org--small-GGUF/blobs" / hashlib.sha256(WEIGHTS).hexdigest()).is_file()
    assert told[0].text == f"asking {hub.url.removeprefix('http://')} for org/small-GGUF" and told[0].done is None
    assert "small-Q4_K_M.gguf of org/small-GGUF has 3.1 MB" in told[1].text and told[1].done is None
    assert told[-1].done == 1.0
    before = len(hub.asked)
    assert resolve_model(f"hf:{REPO}") == file
    assert resolve_model(f"hf:{REPO}/small-Q4_K_M.gguf") == file
    assert len(hub.asked) == before, "what is there needs no network"


def test_all_files_of_a_split_model_come(hub: FakeHub) -> None:
    told: list[Progress] = []
    first = resolve_model(f"hf:{REPO}:F16", told.append)
    assert [file.read_bytes()[-10:] for file in sorted(first.parent.glob("*"))] == [b"one of two", b"two of two"]
    assert "in 2 files" in told[1].text


def test_a_transfer_that_breaks_goes_on_where_it_was(hub: FakeHub) -> None:
    hub.cut = 1_000_000
    assert resolve_model(f"hf:{REPO}").read_bytes() == WEIGHTS
    assert hub.transfers[0] is None and len(hub.transfers) >= 4
    starts = [int(str(asked).removeprefix("bytes=").rstrip("-")) for asked in hub.transfers[1:]]
    assert all(start > 0 for start in starts) and starts == sorted(starts)


def test_a_download_that_was_killed_is_gone_on_with(hub: FakeHub, tmp_path: Path) -> None:
    """What another process began lies in the cache, under the name that it will have."""
    blobs = tmp_path / "hub/models--org--small-GGUF/blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete"
    part.write_bytes(WEIGHTS[:2_000_000])
    assert resolve_model(f"hf:{REPO}").read_bytes() == WEIGHTS
    assert hub.transfers == ["bytes=2000000-"]
    assert not part.exists()


def test_a_server_without_ranges_sends_all_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    blobs = tmp_path / "hub/models--org--small-GGUF/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete").write_bytes(b"something" * 1000)
    assert resolve_model(f"hf:{REPO}").read_bytes() == WEIGHTS


def test_a_part_of_something_else_is_thrown_away(hub: FakeHub, tmp_path: Path) -> None:
    blobs = tmp_path / "hub/models--org--small-GGUF/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete").write_bytes(b"x" * 1_000_000)
    with pytest.raises(EngineError, match=r"came damaged .* thrown away: try again"):
        resolve_model(f"hf:{REPO}")
    assert resolve_model(f"hf:{REPO}").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("name", "refuse", "line"),
    [
        ("hf:org/closed", (403, "GatedRepo"), r"org/closed is gated \(HTTP 403\): accept its terms at http.*HF_TOKEN"),
        ("hf:org/closed", (401, "GatedRepo"), r"org/closed is gated \(HTTP 401\)"),
        ("hf:org/closed", (401, ""), r"does not give out org/closed \(HTTP 401\).*HF_TOKEN"),
        ("hf:org/none", None, r"there is no org/none on .*\(HTTP 404\)"),
        ("hf:org/closed", (429, ""), r"asked too often \(HTTP 429\): try again in 77 s"),
        ("hf:org/closed", (500, ""), r"failed \(HTTP 500\): try again later"),
        ("hf:org/weights", None, r"org/weights has no GGUF file"),
        (f"hf:{REPO}:Q5_K_M", None, r"has no Q5_K_M: it has F16, IQ2_M, Q4_K_M, Q8_0"),
        (f"hf:{REPO}/none.gguf", None, r"has no none.gguf: it has"),
        ("hf:nonsense", None, "expected hf:org/repo"),
        ("", None, "the name of the model is empty"),
        ("org/small", None, "is hf:org/small meant"),
        ("nowhere.gguf", None, "cannot read the model nowhere.gguf"),
    ],
)
def test_what_goes_wrong_is_a_line_of_its_own(
    hub: FakeHub, name: str, refuse: tuple[int, str] | None, line: str
) -> None:
    if refuse is not None:
        hub.repos["org/closed"] = FILES
        hub.refuse["org/closed"] = refuse
    with pytest.raises(EngineError, match=line) as caught:
        resolve_model(name)
    assert "\n" not in str(caught.value)


def test_without_a_network_what_is_there_is_used(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    eight = resolve_model(f"hf:{REPO}:Q8_0")
    for offline in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        told: list[Progress] = []
        assert resolve_model(f"hf:{REPO}", told.append) == eight
        assert "going on with small-Q8_0.gguf" in told[-1].text
        with pytest.raises(EngineError, match="HF_HUB_OFFLINE is set" if offline else "127.0.0.1:9 cannot be reached"):
            resolve_model(f"hf:{REPO}:IQ2_M")


def test_a_full_disk_is_said_before_the_download(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = download.shutil.disk_usage("/")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda place: usage._replace(free=2_000_000))
    with pytest.raises(EngineError, match=r"needs 3.1 MB, but 2.0 MB are free: .*HF_HUB_CACHE"):
        resolve_model(f"hf:{REPO}")
    assert hub.transfers == []


def test_a_model_of_ollama_is_its_blob(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))

    def pulled(place: str, digest: str) -> Path:
        layers = [
            {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:aa"},
            {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"},
        ]
        (tmp_path / "manifests" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "manifests" / place).write_text(json.dumps({"layers": layers}))
        (tmp_path / "blobs").mkdir(exist_ok=True)
        (tmp_path / "blobs" / f"sha256-{digest}").write_bytes(b"GGUF")
        return tmp_path / "blobs" / f"sha256-{digest}"

    latest, small = (
        pulled("registry.ollama.ai/library/qwen3/latest", "11"),
        pulled("registry.ollama.ai/library/qwen3/1.7b", "22"),
    )
    own, foreign = pulled("registry.ollama.ai/me/mine/latest", "33"), pulled("hf.co/org/m-GGUF/Q8_0", "44")
    found = [resolve_model(f"ollama:{name}") for name in ("qwen3", "qwen3:1.7b", "me/mine", "hf.co/org/m-GGUF:Q8_0")]
    assert found == [latest, small, own, foreign]
    with pytest.raises(EngineError, match=r"no model 'qwen3:8b' here .*qwen3:1.7b.*: fetch it with 'ollama pull"):
        resolve_model("ollama:qwen3:8b")
    with pytest.raises(EngineError, match="is no model of Ollama"):
        resolve_model("ollama:../../etc:passwd")
    small.unlink()
    with pytest.raises(EngineError, match=r"the file of ollama:qwen3:1.7b is missing"):
        resolve_model("ollama:qwen3:1.7b")


def test_what_llama_cpp_kept_before_it_shared_the_cache_is_found(hub: FakeHub, tmp_path: Path) -> None:
    kept = tmp_path / "llama.cpp" / "org_small-GGUF_small-Q4_K_M.gguf"
    kept.parent.mkdir()
    kept.write_bytes(b"GGUF")
    assert resolve_model(f"hf:{REPO}") == resolve_model(f"hf:{REPO}:Q4_K_M") == kept
    assert hub.asked == []


def test_a_process_that_is_killed_leaves_what_came(hub: FakeHub, tmp_path: Path) -> None:
    """The hub sends a third and stalls; the next process asks for the rest."""
    program = (
        "import os, signal, threading\n"
        "from tertulia.engines.hub import resolve_model\n"
        "def tell(progress):\n"
        "    if progress.done and progress.done > 0.3: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"resolve_model('hf:{REPO}', tell)\n"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
    child = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=60)
    assert child.returncode == -9
    assert resolve_model(f"hf:{REPO}").read_bytes() == WEIGHTS
    assert str(hub.transfers[1]).startswith("bytes="), "the second transfer does not begin at the beginning"


def test_a_model_of_a_hub_solves_from_the_shell(tmp_path: Path) -> None:
    """The whole way: a real model from a hub into the cache, planned into memory, loaded, asked."""
    pytest.importorskip("gguf", reason="writing the test's model needs the gguf package")
    from make_gguf import make_gguf

    make_gguf(tmp_path / "tiny.gguf")
    repos = {"org/tiny": {"tiny-Q4_K_M.gguf": (tmp_path / "tiny.gguf").read_bytes()}}
    with FakeHub(repos).serving() as hub:
        environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        command = [sys.executable, "-m", "tertulia", "solve", "What is 2 + 3?", "--model", "hf:org/tiny"]
        options = ["--method", "independent", "--budget", "300", "--paths", "2"]
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, timeout=120)
    told = done.stderr.splitlines()[1:]
    assert done.returncode in (0, 1), done.stderr
    assert told[0].startswith("tiny-Q4_K_M.gguf of org/tiny has")
    assert told[1].startswith("downloading org/tiny: ")
    assert told[2].startswith("2 slots of ") and told[3].startswith("loading tiny-Q4_K_M.gguf (")
    assert "2 paths of tiny-Q4_K_M.gguf on embedded" in done.stdout


def test_a_model_of_a_hub_solves_from_python_and_tells_its_beginning(hub: FakeHub, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="writing the test's model needs the gguf package")
    from make_gguf import make_gguf
    from tertulia import Event, solve

    make_gguf(tmp_path / "tiny.gguf")
    hub.repos["org/tiny"] = {"tiny-Q8_0.gguf": (tmp_path / "tiny.gguf").read_bytes()}
    events: list[Event] = []
    result = solve("2 + 3?", model="hf:org/tiny", method="independent", budget=300, paths=2, observer=events.append)
    assert result.engine.model == "tiny-Q8_0.gguf"
    kinds = [event.kind for event in events]
    assert kinds[0] == "loading" and "loading" not in kinds[kinds.index("start") :]
    assert any(event.data["done"] == 1.0 for event in events if event.kind == "loading")
