"""Training asks as a run does: the ids of prompt, open thought and first sentence are equal, whatever the template."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tertulia.api import solve_with
from tertulia.model import Profile, profile_for
from tertulia.settings import resolve
from tertulia.tasks.question import Question

pytest.importorskip("transformers")

from tertulia.engines.transformers import TransformersEngine
from tertulia.training.asking import dialect_of, prompts_of
from tertulia.training.start import load_start

FREE = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}

ASKED = "How much is </think> 13 plus 80?"
SAYS = "{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}<|assistant|>"
SWITCH = "{% if enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}"
TEMPLATES = {
    "the thought opened by the template": SAYS + "<think>\n",
    "the thought named by the template, and not opened": SAYS + "{% if '</think>' in messages[0] %}{% endif %}",
    "the thought closed by the template": SAYS + "<think>\n\n</think>\n\n",
    "a switch": SAYS + SWITCH,
    "marks of several tokens": SAYS + "[THINK]",
    "channels": SAYS + "{% if 0 %}<|channel|>analysis<|message|>{% endif %}",
    "no thought": "User: {{ messages[0]['content'] }}\nAssistant:",
    "no template": None,
    "a profile": "",
}
EVERY = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)


@pytest.fixture(scope="module")
def pebble() -> tuple[Any, Any]:
    return load_start(None, 0)


@EVERY
@pytest.mark.parametrize("how", ["free", "prompt", "sentence"])
async def test_training_and_run_time_begin_with_the_same_ids(pebble: Any, template: str | None, how: Any) -> None:
    model, tokenizer = pebble
    profile = profile_for(None) if template == "" else Profile(wording="pebble")
    before, tokenizer.chat_template = tokenizer.chat_template, template or None
    try:
        question = Question(id="q", text=ASKED, gold="93", kind="math", language="de")
        led = {} if how == "free" else {"thinking_language": "de", "thinking_by": how}
        asked = {"method": "independent", "paths": 2, "budget": 300, "language": "de", **FREE, **led}
        settings = resolve(profile, asked)
        engine = TransformersEngine(model, tokenizer)
        async with engine:
            result = await solve_with(engine, profile, ASKED, settings, name="q")
        dialect = await asyncio.to_thread(dialect_of, tokenizer, profile)
        (prompt,) = await asyncio.to_thread(prompts_of, [question], profile, how, dialect)
    finally:
        tokenizer.chat_template = before
    for path in result.paths:
        own = next(at for at, span in enumerate(path.spans) if span.kind not in ("prompt", "cue"))
        assert [(span.kind, span.ids, span.text) for span in path.spans[:own]] == list(prompt.parts)
