"""A study as it was asked for, once its words are checked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from odvae.errors import UserError
from odvae.experiment.study.config import Direction, Sampler, StudyConfig
from odvae.experiment.study.space import Range, Space, Value, edges, grid, read_space, shown, word

CHOICE = "study"  # the group of conf/ that holds studies


@dataclass(frozen=True)
class StudyPlan:
    """What a study varies, looks for and keeps; made by ``of``."""

    name: str
    settings: StudyConfig
    space: Space
    fixed: tuple[str, ...]  # words that all its runs share

    @classmethod
    def of(
        cls,
        settings: StudyConfig,
        words: Sequence[str],
        *,
        chosen: str | None,
        groups: Collection[str],
    ) -> "StudyPlan":
        """The plan that the words of one of its runs belong to.

        Args:
            words: FIELD=VALUE; those of the space, and the choice of the study, are left out.
            chosen: the file of conf/study.
            groups: names of the groups of conf/.

        Raises:
            UserError: the space makes no sense, or the study has no name.
        """
        space = read_space(settings.space, groups)
        fixed = tuple(each for each in words if field_of(each) not in {*space, CHOICE})
        if settings.sampler is Sampler.grid:
            grid(space)  # there is one
        name = settings.name or chosen
        if name is None:
            raise UserError("hydra.sweeper.name is needed without study=NAME")
        return cls(name, settings, space, fixed)

    @property
    def trials(self) -> int:
        """How many there will be."""
        if self.settings.sampler is Sampler.grid:
            return min(self.settings.trials, len(grid(self.space)))
        return self.settings.trials

    @property
    def metrics(self) -> list[str]:
        """The objectives by name."""
        return [objective.metric for objective in self.settings.objectives]

    @property
    def directions(self) -> list[Direction]:
        """Which values of each objective are good."""
        return [objective.direction for objective in self.settings.objectives]

    @property
    def varied(self) -> list[str]:
        """The fields that differ between trials: a single choice is the same in all."""
        return [
            name
            for name, dimension in self.space.items()
            if isinstance(dimension, Range) or len(dimension.values) > 1
        ]

    @property
    def labels(self) -> dict[str, str]:
        """Short names of the fields: as much of their end as tells them apart."""
        return {name: _label(name, self.space) for name in self.space}

    def edges(self) -> list[list[str]]:
        """Words of the runs to try before any starts: if they can run, others can."""
        return [[*edge, *self.fixed] for edge in edges(self.space)]

    def shown(self, values: Mapping[str, Value]) -> str:
        """What tells a trial from others, for a person."""
        return " ".join(f"{self.labels[name]}={shown(values[name])}" for name in self.varied)

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """Words of the run of a trial: first what tells it from others."""
        return [*(word(name, values[name]) for name in self.space), *self.fixed]


def field_of(word: str) -> str:
    """The field that a word sets, or the group it chooses from."""
    return word.partition("=")[0].lstrip("+~")


def _label(name: str, others: Collection[str]) -> str:
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        end = ".".join(parts[start:])
        if sum(other == end or other.endswith(f".{end}") for other in others) == 1:
            return end
    return name
