"""Make the shards of a cache that are missing, beside any number of processes that do the same."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from odvae.errors import UserError
from odvae.generation.latent_index import LatentIndex, shard_path
from odvae.generation.latent_plan import LatentPlan
from odvae.generation.latent_shard import LatentShard, ShardFile
from odvae.generation.latent_sums import LatentSums
from odvae.model import Encoding, LatentScaling, Posterior

_POLL_S = 0.3  # while all that is missing is in the hands of others


class LatentFilling:
    """A cache on its way to be whole.

    A shard belongs to the process that holds its lock, until that process has written it or has
    died. What is finished is never encoded again, unless the file is damaged.
    """

    def __init__(self, plan: LatentPlan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self._sound: set[int] = set()  # looked at once

    @property
    def clips_done(self) -> int:
        """Clips in the shards that were found sound so far."""
        return sum(len(self.plan.numbers(shard)) for shard in self._sound)

    def missing(self) -> list[int]:
        """Shards that are not there, or damaged. Reads those that it has not looked at before."""
        return [shard for shard in range(self.plan.shards) if not self._is_sound(shard)]

    def fill(
        self,
        encode: Callable[[range], Encoding],
        *,
        own: LatentScaling,
        done: Callable[[int], None] = lambda clips: None,
    ) -> int:
        """Encode what is missing, wait for what others encode, and write the index.

        Args:
            encode: samples by their numbers to latents, float32 on the CPU.
            own: the VAE's scaling.
            done: told how many clips are there.

        Returns:
            How many clips this process has encoded.

        Raises:
            UserError: a shard cannot be written, or what ``encode`` raises. What was finished
                before stays.
        """
        encoded = 0
        while missing := self.missing():
            done(self.clips_done)
            claims = 0
            for shard in missing:
                with self.claimed(f"{shard:05}") as is_mine:
                    claims += is_mine
                    if is_mine and not self._is_sound(shard):
                        encoded += self._make(shard, encode)
                        done(self.clips_done)
            if not claims:
                time.sleep(_POLL_S)
        done(self.clips_done)
        if not self._has_index():
            self._write_index(own)
        return encoded

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether this process has the lock of a name now; it never waits, and keeps what it has.

        The locks of a process that is killed are free at once.

        Raises:
            UserError: the folder cannot be written to.
        """
        locks = self.folder / "locks"
        with self._explained():
            locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / name)
        with suppress(Timeout):
            lock.acquire(blocking=False)
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _make(self, shard: int, encode: Callable[[range], Encoding]) -> int:
        numbers = self.plan.numbers(shard)
        labels = [self.plan.windows.labels[number] for number in numbers]
        made = LatentShard(encode(numbers), torch.tensor(numbers), torch.tensor(labels))
        with self._explained():
            made.write(shard_path(self.folder, shard), key=self.plan.key)
        self._sound.add(shard)
        return len(numbers)

    def _is_sound(self, shard: int) -> bool:
        if shard in self._sound:
            return True
        path = shard_path(self.folder, shard)
        if not path.is_file():
            return False
        try:
            found = ShardFile(path).holds(self.plan.numbers(shard), key=self.plan.key)
        except UserError:  # damaged: made anew
            return False
        if found:
            self._sound.add(shard)
        return found

    def _has_index(self) -> bool:
        try:
            return LatentIndex.read(self.folder).key == self.plan.key
        except UserError:  # none, or half of one
            return False

    def _write_index(self, own: LatentScaling) -> None:
        """Write the list of clips, and the index that makes shards a cache."""
        plan = self.plan
        first = ShardFile(shard_path(self.folder, 0))
        is_posterior = first.kind is Posterior
        _, channels, frames, height, width = first.moments_shape
        with self._explained():
            (self.folder / "clips.json").write_text(plan.windows.manifest.to_json(), "utf-8")
            LatentIndex(
                key=plan.key,
                parts=plan.parts(),
                samples=len(plan.windows),
                clips_per_shard=plan.clips_per_shard,
                classes=plan.windows.classes,
                shape=(channels // 2 if is_posterior else channels, frames, height, width),
                is_posterior=is_posterior,
                fitted=self._sums().fitted(),
                own=own,
            ).write(self.folder)

    def _sums(self) -> LatentSums:
        """Over all shards; one file is open at a time."""
        total = ShardFile(shard_path(self.folder, 0)).sums
        for shard in range(1, self.plan.shards):
            total = total + ShardFile(shard_path(self.folder, shard)).sums
        return total

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the system refuses into a message to the user."""
        try:
            yield
        except OSError as error:
            total = self.plan.shards
            raise UserError(
                f"output_dir: latents cannot be written to {self.folder} ({error.strerror}); "
                f"{len(self._sound)} of {total} shards are finished and stay, and the same "
                "command goes on from them"
            ) from error
