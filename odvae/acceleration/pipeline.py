"""A straight pipeline of stages. Clips are (T, C, H, W), channels last."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from torch import Tensor, nn

from odvae.acceleration.clip import Stage, new_clip
from odvae.model.streaming import State

_AT_ONCE = 1 << 21  # numbers of the frames that stages which need no others work on at once


class Pipeline(Stage):
    """Stages one after another, each with a state of its own.

    Framewise ones in a row see a few frames at a time, so what they make in between stays small.
    """

    def __init__(self, stages: Iterable[Stage], *, at_once: int = _AT_ONCE) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.at_once = at_once

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        runs = list(self._runs())
        states: list[State] = list(state or [None] * len(runs))
        for i, run in enumerate(runs):
            if run[0].framewise:
                x = self._framewise(run, x)
            else:
                x, states[i] = run[0](x, states[i], last=last)
        return x, None if last else tuple(states)

    def _runs(self) -> Iterator[list[Stage]]:
        """Framewise stages that follow each other together, every other stage alone."""
        stages = [stage for stage in self.stages if isinstance(stage, Stage)]
        for framewise, run in groupby(stages, key=lambda stage: stage.framewise):
            together = list(run)
            yield from [together] if framewise else [[stage] for stage in together]

    def _framewise(self, run: list[Stage], x: Tensor) -> Tensor:
        if len(run) == 1:
            return _through(run, x)
        frames = max(1, self.at_once // (_widest(run) * x.shape[2] * x.shape[3]))
        if len(x) <= frames:
            return _through(run, x)
        y: Tensor | None = None
        for start in range(0, len(x), frames):
            chunk = _through(run, x[start : start + frames])
            if y is None:
                y = new_clip(chunk, len(x), *chunk.shape[1:])
            y[start : start + frames] = chunk
        assert y is not None
        return y


def _widest(run: list[Stage]) -> int:
    """The most channels that any of these stages makes: each has a bias for each."""
    biases = (buffer for stage in run for name, buffer in stage.named_buffers() if "bias" in name)
    return max(len(bias) for bias in biases)


def _through(run: list[Stage], x: Tensor) -> Tensor:
    for stage in run:
        x, _ = stage(x, None, last=True)
    return x
