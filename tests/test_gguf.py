"""What a GGUF file says of its model, and what of it fits into memory."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf", reason="writing the test's model needs the gguf package")
import gguf

from make_gguf import TEMPLATE, make_gguf, make_tokenizer
from tertulia.engines.base import EngineError
from tertulia.engines.gguf import GgufFacts, read_metadata, shards_of
from tertulia.engines.memory import free_memory, group_rooms, plan_memory

GB = 10**9


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    make_gguf(path)
    return path


def written(path: Path, family: str, **keys: Any) -> Path:
    """A file of metadata alone; two underscores in a key stand for a dot."""
    writer = gguf.GGUFWriter(str(path), family)
    for name, value in ({"block_count": 4, "embedding_length": 256} | keys).items():
        key = name.replace("__", ".")
        key = key if key.startswith("general") else f"{family}.{key}"
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_a_model_says_what_it_is(tiny: Path) -> None:
    facts = GgufFacts.read(tiny)
    assert (facts.architecture, facts.name, facts.trained_context, facts.vocabulary) == (
        "llama",
        "tiny",
        2048,
        make_tokenizer().get_vocab_size(),
    )
    assert facts.kv_heads == (4, 4) and (facts.key_length, facts.value_length) == (16, 16)
    assert facts.chat_template == TEMPLATE
    assert (facts.size, facts.shards, facts.rolls_back) == (tiny.stat().st_size, 1, True)
    assert facts.kv_bytes_per_token("f16") == 2 * 4 * 2 * 16 * 2  # layers, heads, key and value, numbers, bytes


def test_the_recommended_sampling_is_read(tmp_path: Path) -> None:
    sampling = {"general__sampling__temp": 0.6, "general__sampling__top_k": 20, "general__sampling__sequence": "kpt"}
    facts = GgufFacts.read(written(tmp_path / "a.gguf", "qwen3", attention__head_count=4, **sampling))
    assert facts.sampling == {"temp": pytest.approx(0.6), "top_k": 20}
    assert facts.chat_template is None and facts.trained_context is None


@pytest.mark.parametrize(
    ("family", "keys"),
    [
        ("lfm2", {"attention__head_count_kv": [0, 0, 8, 0], "shortconv__l_cache": 3}),
        ("qwen35", {"attention__head_count_kv": 8, "full_attention_interval": 4, "ssm__state_size": 128}),
    ],
)
def test_a_hybrid_cannot_roll_back_and_keeps_less(tmp_path: Path, family: str, keys: dict[str, Any]) -> None:
    facts = GgufFacts.read(written(tmp_path / "a.gguf", family, attention__head_count=8, **keys))
    assert not facts.rolls_back
    assert sum(facts.kv_heads) == 8, "one layer of four has a cache"


def test_a_window_makes_a_long_context_cheap(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"attention__head_count": 4, "attention__sliding_window": 512}
    known = GgufFacts.read(written(tmp_path / "a.gguf", "gemma3", **keys | {"block_count": 6}))
    listed = GgufFacts.read(
        written(tmp_path / "b.gguf", "gemma4", attention__sliding_window_pattern=[True, True, False, True], **keys)
    )
    unknown = GgufFacts.read(written(tmp_path / "c.gguf", "new", **keys))
    assert known.windowed == (True,) * 5 + (False,)
    assert listed.windowed == (True, True, False, True)
    assert not any(unknown.windowed), "taken to see everything: planned too large rather than too small"
    assert known.cache_bytes(8192, "f16", 512) < 6 * 8192 * 4 * 2 * 64 * 2 / 3


def test_a_split_model_needs_all_its_files(tmp_path: Path, tiny: Path) -> None:
    parts = [tmp_path / f"big-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for part in parts:
        part.write_bytes(tiny.read_bytes())
    facts = GgufFacts.read(parts[1])
    assert (facts.file, facts.shards, facts.size) == (parts[0], 3, 3 * tiny.stat().st_size)
    parts[2].unlink()
    with pytest.raises(EngineError, match=r"one of 3 files, and .*00003-of-00003.gguf is missing"):
        shards_of(parts[0])


def test_a_projector_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no language model"):
        GgufFacts.read(written(tmp_path / "mmproj.gguf", "clip"))


def test_damage_is_one_line_and_takes_no_memory(tmp_path: Path, tiny: Path) -> None:
    whole = tiny.read_bytes()
    huge = struct.pack("<Q", 1 << 60)
    damaged = [whole[:at] for at in (0, 3, 4, 8, 20, 30, 100, 2000)]
    damaged += [whole[:16] + huge + whole[24:], whole[:24] + huge + whole[32:], whole[:4] + b"\0\0\0\3" + whole[8:]]
    draw = random.Random(5)
    for _ in range(200):
        torn = bytearray(whole[:8000])
        for _ in range(8):
            torn[draw.randrange(8000)] = draw.randrange(256)
        damaged.append(bytes(torn))
    file = tmp_path / "torn.gguf"
    lines = []
    for data in damaged:
        file.write_bytes(data)
        try:
            GgufFacts.read(file)
        except EngineError as error:
            lines.append(str(error))
    assert len(lines) > 11
    assert not any("\n" in line for line in lines)
    for missing, line in ((tmp_path / "none.gguf", "cannot read the model"), (tmp_path, "cannot read the model")):
        with pytest.raises(EngineError, match=line):
            read_metadata(missing)


@pytest.fixture
def laptop_model(tiny: Path) -> GgufFacts:
    """Some 1.7B parameters: 28 layers of 8 heads of 128, 1.1 GB."""
    return replace(
        GgufFacts.read(tiny), size=1_100_000_000, kv_heads=(8,) * 28, windowed=(False,) * 28, key_length=128,
        value_length=128, trained_context=40_960, embedding=2048, vocabulary=151_936,
    )  # fmt: skip


def test_with_room_enough_all_is_as_asked(laptop_model: GgufFacts) -> None:
    plan = plan_memory(laptop_model, 8, 4096, 20 * GB)
    assert (plan.slots, plan.context, plan.kv_type, plan.cache) == (8, 4096, "f16", 8 * 4096 * 28 * 8 * 256 * 2)
    assert plan.line == "8 slots of 4,096 tokens, 1.1 GB model + 3.8 GB cache of 20 GB free"


def test_with_less_the_cache_is_smaller_then_the_slots_fewer(laptop_model: GgufFacts) -> None:
    plan = plan_memory(laptop_model, 8, 16_384, 12 * GB)
    assert (plan.slots, plan.kv_type) == (8, "q8_0")
    plan = plan_memory(laptop_model, 8, 16_384, 6 * GB)
    assert (plan.slots, plan.kv_type, plan.context) == (4, "q8_0", 16_384)
    assert "4 slots (8 do not fit: paths take turns) of 16,384 tokens" in plan.line
    for free in (4 * GB, 6 * GB, 9 * GB, 16 * GB):
        plan = plan_memory(laptop_model, 8, 16_384, free)
        assert plan.model + plan.cache + plan.work <= free


def test_what_does_not_fit_is_refused_with_what_would(laptop_model: GgufFacts) -> None:
    with pytest.raises(EngineError, match=r"a single path of 32,768 tokens, but 2.5 GB .* 15,360 tokens would fit"):
        plan_memory(laptop_model, 8, 32_768, int(2.5 * GB))
    with pytest.raises(EngineError, match="take a smaller model"):
        plan_memory(laptop_model, 1, 4096, GB)


def test_no_context_is_longer_than_the_model_was_trained_for(laptop_model: GgufFacts) -> None:
    plan = plan_memory(laptop_model, 1, 2_000_000_000, 20 * GB)
    assert plan.context == 40_960 and "all that the model was trained for" in plan.line


def test_a_cache_that_does_not_come_in_blocks_stays_in_16_bits(laptop_model: GgufFacts) -> None:
    odd = replace(laptop_model, key_length=80, value_length=80)
    assert plan_memory(odd, 8, 16_384, 6 * GB).kv_type == "f16"


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    def group(folder: str, **files: str) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (tmp_path / folder / name.replace("__", ".")).write_text(text)

    named = tmp_path / "cgroup"
    named.write_text("0::/box/inner\n")
    group("box/inner", memory__max="max", memory__current="700", memory__stat="inactive_file 0")
    group("box", memory__max="1000", memory__current="900", memory__stat="anon 5\ninactive_file 300\n")
    assert group_rooms(named, tmp_path) == [400], "files that are only cached make room"
    named.write_text("4:cpu,memory:/old\n0::/\n")
    old = {"memory__limit_in_bytes": "500", "memory__usage_in_bytes": "200"}
    group("memory/old", memory__stat="total_inactive_file 50", **old)
    assert group_rooms(named, tmp_path) == [350]
    assert group_rooms(tmp_path / "none", tmp_path) == []
    assert free_memory() > 0
