"""The command that says what a model is: its parts, costs, and which frames they see.

python -m odvae.describe variant=4 preset=paper
python -m odvae.describe my_vae --clip 33x256x256
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import odvae
from odvae.anatomy import Clip, ModelDescription, Summary, describe, summarise
from odvae.compose import Parser, compose_run, exit_code
from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.model import ODVAE
from odvae.vaes.methods import Method

_OF_THE_MODEL = ("variant", "operators", "model")  # fields that a saved model has already


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    words: list[str]  # field=value, as odvae.run takes them
    path: str | None  # of a saved model
    clip: Clip | None
    as_json: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake."""
    return exit_code(lambda: _print(_parse(argv)))


def _print(asked: _Asked) -> None:
    described = _describe(asked)
    try:
        print(described.to_json() if asked.as_json else described.text().rstrip(), flush=True)
    except BrokenPipeError:  # into head, or less that was left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae describe",
        description="Say what a model is: its parts, costs, and which frames they see.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FIELD=VALUE | PATH",
        help="fields of a run (variant=2 operators=strict preset=paper), or a saved model",
    )
    parser.add_argument("--clip", metavar="TxHxW", help="frames and size; else that of the data")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_intermixed_args(argv)
    words: list[str] = given.words
    paths = [word for word in words if "=" not in word]
    paths += [word.removeprefix("checkpoint=") for word in words if word.startswith("checkpoint=")]
    if "" in paths:
        raise UserError("checkpoint= needs a path, got nothing")
    if len(paths) > 1:
        raise UserError(f"one model at a time, got {' and '.join(paths)}")
    fields = [word for word in words if "=" in word and not word.startswith("checkpoint=")]
    return _Asked(
        words=fields,
        path=paths[0] if paths else None,
        clip=Clip.parse(given.clip) if given.clip else None,
        as_json=given.json,
    )


def _describe(asked: _Asked) -> ModelDescription | Summary:
    config = _composed(asked.words)
    source = asked.path or config.weights_source
    clip = asked.clip or Clip(config.data.clip_frames, config.data.size_px, config.data.size_px)
    if source is None:
        if not config.model.name.is_trainable:
            raise UserError(f"model={config.model.name.value}: there are no weights of it")
        return describe(config.architecture(), clip, train_batch=config.train.batch)
    if asked.path is not None:
        _check_words(asked.words, asked.path)
    vae = odvae.load(source)
    if not isinstance(vae, ODVAE):
        return summarise(vae)
    return describe(vae.architecture, clip, train_batch=config.train.batch)


def _check_words(words: list[str], path: str) -> None:
    for word in words:
        if word.partition("=")[0].split(".")[0] in _OF_THE_MODEL:
            raise UserError(f"{word}: the saved model {path} says this itself")


def _composed(words: list[str]) -> RunConfig:
    words = [word for word in words if not word.startswith("task=")]  # a model is one in every task
    if any(f"model={method.value}" in words for method in Method if not method.is_trainable):
        words = ["task=evaluate", *words]  # a run could do nothing else with it
    return compose_run(words)


if __name__ == "__main__":
    sys.exit(main())
