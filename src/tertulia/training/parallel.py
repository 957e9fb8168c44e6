"""Training in parallel languages: the same problems in several languages, by GRPO or by fine-tuning (both in TRL).

``tertulia train parallel RUN.toml --out DIR``; on many GPUs ``accelerate launch -m tertulia.training.parallel``. After
a kill the same command goes on from the last whole checkpoint. The result, ``DIR/model``, is a transformers folder.

The reward is ``accuracy * right + format * well-formed + consistency * thought in the language asked for``. Only the
first has a weight unless the run file gives others: a reward for the language of the thought is a confound.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.model import Dialect, halves
from tertulia.tasks.question import Question
from tertulia.training import parallel_sft, trainer
from tertulia.training.asking import dialect_of, prompts_of, text_for_trl
from tertulia.training.grpo import grpo_arguments, grpo_trainer, identity
from tertulia.training.parallel_run import Run, judged, questions_of, strays


def reward_parts(run: Run, asked: dict[str, Question], tokenizer: Any, dialect: Dialect) -> list[Any]:
    """The parts of the reward that have a weight, as TRL calls them: with prompts and ids of completions.

    Args:
        run: the run.
        asked: question of each prompt.
        tokenizer: the model's. TRL's own texts of the completions lack the control tokens, such as the thought's end.
        dialect: how the model's thought closes.
    """
    close = dialect.think_close

    def parted(completion_ids: list[list[int]]) -> list[tuple[str, bool, str]]:
        return [halves(tokenizer.decode(ids, skip_special_tokens=False), close) for ids in completion_ids]

    def accuracy(prompts: list[str], completion_ids: list[list[int]], **more: Any) -> list[float]:
        pairs = zip(prompts, parted(completion_ids), strict=True)
        return [float(judged(answer, asked[prompt])) for prompt, (_, _, answer) in pairs]

    def format(completion_ids: list[list[int]], **more: Any) -> list[float]:
        boxed = "\\boxed{"
        again = [bool(close) and close in answer for _, _, answer in parted(completion_ids)]
        counts = [answer.count(boxed) for _, _, answer in parted(completion_ids)]
        return [float(not more and count == 1) for more, count in zip(again, counts, strict=True)]

    def consistency(prompts: list[str], completion_ids: list[list[int]], **more: Any) -> list[float]:
        pairs = zip(prompts, parted(completion_ids), strict=True)
        return [float(not strays(thought, asked[prompt])) for prompt, (thought, _, _) in pairs]

    return [part for part in (accuracy, format, consistency) if getattr(run.reward, part.__name__)]


def make_trainer(run: Run, out: Path) -> Any:
    """TRL's trainer for a run; its checkpoints lie in ``out/checkpoints``, its logs in ``out/log``.

    Raises:
        TertuliaError: Something in the run file, the model or the data is not as it must be. One line.
    """
    if run.training.paradigm == "sft":
        return parallel_sft.make_trainer(run, out)
    from tertulia.training.start import load_start

    model, tokenizer = load_start(run.model.start, run.seed)
    dialect = dialect_of(tokenizer, run.model.known)
    prompts = prompts_of(questions_of(run), run.model.known, run.thinking, dialect)
    texts = [text_for_trl(prompt, tokenizer) for prompt in prompts]
    asked = {text: prompt.question for text, prompt in zip(texts, prompts, strict=True)}
    dials = run.training.model_copy(update={"steps": run.steps})
    arguments = grpo_arguments(dials, out, dials.group, dials.length, dials.temperature, run.seed, run.model.engine)
    arguments.shuffle_dataset = False
    arguments.top_p, arguments.top_k, arguments.min_p = 1.0, 0, None
    parts = reward_parts(run, asked, tokenizer, dialect)
    arguments.reward_weights = [getattr(run.reward, part.__name__) for part in parts]
    made = grpo_trainer(model, tokenizer, texts, parts, arguments)
    return trainer.told(made, out, trainer.bar())


def train(run: Run, out: Path) -> Path:
    """Trains to the end of the run, from its last whole checkpoint where there is one.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make_trainer`; or the folder belongs to another run. One line.
    """
    run.check()
    return trainer.train(out, identity(run), lambda: make_trainer(run, out), run.steps)


def main(arguments: list[str] | None = None) -> None:
    """The command line, for ``accelerate launch -m``."""
    parser = argparse.ArgumentParser(description="Trains a model on the same problems in several languages.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        print(train(Run.load(chosen.run), chosen.out))
    except TertuliaError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
