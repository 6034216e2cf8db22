"""Where a study remembers its trials: a journal in the output folder, or PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from odvae.errors import UserError
from odvae.experiment.study.locks import FileLocks, Locks, PostgresqlLocks
from odvae.experiment.study.plan import StudyPlan
from odvae.experiment.study.sampling import make_pruner, make_sampler


@dataclass(frozen=True)
class SharedStudy:
    """A study that several workers may have open; made by ``opened``."""

    study: optuna.Study
    storage: BaseStorage
    locks: Locks
    place: str  # of the storage, without a password

    def trials(self) -> list[FrozenTrial]:
        """All that were ever begun, by number."""
        with self.speaking():
            return self.study.get_trials(deepcopy=False)

    def numbers(self, state: TrialState) -> list[int]:
        """Those of the trials in a state."""
        return [trial.number for trial in self.trials() if trial.state is state]

    def tell(self, trial: optuna.Trial, state: TrialState, values: list[float] | None) -> None:
        """Tell how a trial went; what another worker told before stands."""
        self.study.tell(trial.number, values, state=state, skip_if_finished=True)

    def trial(self, number: int) -> optuna.Trial:
        """A trial that runs, to go on with it."""
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.Trial(self.study, trial_id)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Errors of the storage become UserError: what went wrong, and that the study goes on."""
        with _speaking(self.place):
            yield


@contextmanager
def opened(plan: StudyPlan, output: Path, *, steps: int) -> Iterator[SharedStudy]:
    """Open the study of a plan, making it when it is new.

    Args:
        output: the folder that results go to.
        steps: of the training of a trial.

    Raises:
        UserError: its storage cannot be read, written or reached.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = _Journal(plan, output) if plan.settings.storage is None else _Postgresql(plan)
    with _speaking(kept.place):
        locks = kept.locks()
    try:
        with _speaking(kept.place), locks.deciding():  # two that make its tables would collide
            storage = kept.storage()
            study = optuna.create_study(
                study_name=plan.name,
                storage=storage,
                directions=[direction.value for direction in plan.directions],
                sampler=make_sampler(plan, number=0),
                pruner=make_pruner(plan, steps=steps),
                load_if_exists=True,
            )
        yield SharedStudy(study, storage, locks, kept.place)
    finally:
        locks.close()


@contextmanager
def _speaking(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        reason = next(iter(str(cause).splitlines()), type(cause).__name__)
        raise UserError(
            f"the study's storage {place} cannot be used: {reason}; once it can, the same command "
            "goes on"
        ) from error


class _Journal:
    """A file of the output folder, with its locks beside it."""

    def __init__(self, plan: StudyPlan, output: Path) -> None:
        self._file = output / "studies" / f"{plan.name}.journal"
        self.place = os.path.relpath(self._file)

    def locks(self) -> Locks:
        return FileLocks(self._file.with_suffix(".locks"))

    def storage(self) -> BaseStorage:
        backend = JournalFileBackend(str(self._file), lock_obj=_JournalLock(self._file))
        return JournalStorage(backend)


class _Postgresql:
    """A database that all machines reach."""

    def __init__(self, plan: StudyPlan) -> None:
        assert plan.settings.storage is not None
        try:
            self._url = sqlalchemy.make_url(plan.settings.storage)
            self.place = self._url.render_as_string(hide_password=True)
            self._url.get_dialect().import_dbapi()
        except (ImportError, SQLAlchemyError) as error:
            raise UserError(
                f"hydra.sweeper.storage: {error}; postgresql://... needs pip install "
                "psycopg2-binary"
            ) from error
        self._study = plan.name

    def locks(self) -> Locks:
        return PostgresqlLocks(self._url, self._study)

    def storage(self) -> BaseStorage:
        return RDBStorage(self._url.render_as_string(hide_password=False))


class _JournalLock(JournalFileOpenLock):
    """For who writes to a journal. Optuna's own would outlive a killed process."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._file = file
        self._lock = FileLock(f"{file}.lock")

    def acquire(self) -> bool:
        """Wait for the journal; a line that a full disk or a kill cut short is taken out."""
        self._lock.acquire()
        with self._file.open("rb+") as journal:
            content = journal.seek(0, os.SEEK_END)
            while content:
                start = max(0, content - 4096)
                journal.seek(start)
                content = start + journal.read(content - start).rfind(b"\n") + 1
                if content > start:
                    break
            journal.truncate(content)
        return True

    def release(self) -> None:
        """Let the next one write."""
        self._lock.release()
