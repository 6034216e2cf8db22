"""Features of originals and reconstructions, clip by clip, and all that a set of them tells.

Moments are kept exactly and in constant memory. The rows themselves, which the kernel distance and
the uncertainty need, go to a temporary file as float32: the networks compute in float32, so this
loses nothing.
"""

import tempfile
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from odvae.metrics.frechet import frechet_distance
from odvae.metrics.frechet_features import kernel_name
from odvae.metrics.frechet_trust import FrechetTrust, frechet_trust
from odvae.metrics.kernel_distance import KernelBlocks, block_estimate, kernel_distance
from odvae.metrics.moments import Moments

BLOCKS = 100
BLOCK_SIZE = 1000  # or half of the clips, where there are fewer than twice as many


@dataclass(frozen=True, kw_only=True)
class FrechetResult:
    """Distances of one network's features, over all clips of a set; NaN where one is broken."""

    name: str  # of the Frechet distance
    distance: float
    kernel_name: str
    kernel_distance: float
    kernel_blocks: KernelBlocks | None  # None: fewer than 4 clips
    trust: FrechetTrust
    clips: int
    dimensions: int

    @property
    def rank_deficient(self) -> bool:
        """Whether clips are too few for covariances of full rank: compare the same clips only."""
        return self.trust.rank_deficient

    def values(self) -> dict[str, float]:
        """Both distances by metric name, as a tracker or a table wants them."""
        return {self.name: self.distance, self.kernel_name: self.kernel_distance}


class FeatureSets:
    """Accumulates the features of one network, of any number of clips.

    Args:
        name: of the Frechet distance, that is of the network.
        dimensions: D of its features.
    """

    def __init__(self, name: str, dimensions: int) -> None:
        self.name = name
        self.dimensions = dimensions
        self._originals = Moments(dimensions)
        self._reconstructions = Moments(dimensions)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the sets
        weakref.finalize(self, self._file.close)

    @property
    def clips(self) -> int:
        """Number of clips added so far."""
        return self._originals.count

    def add(self, originals: Tensor, reconstructions: Tensor) -> None:
        """Count the features (B, D) of originals and reconstructions of the same clips.

        Raises:
            ValueError: not both (B, D).
        """
        if originals.ndim != 2 or originals.shape != reconstructions.shape:
            raise ValueError(
                f"features must both be (B, {self.dimensions}), "
                f"got {tuple(originals.shape)} and {tuple(reconstructions.shape)}"
            )
        self._originals.add(originals)
        self._reconstructions.add(reconstructions)
        pairs = torch.stack([originals, reconstructions], dim=1)  # (B, 2, D)
        self._file.write(pairs.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())

    def values(self) -> dict[str, float]:
        """Both distances by metric name, without all that takes longer than they do.

        Raises:
            ValueError: fewer than 2 clips.
        """
        distance = frechet_distance(self._originals, self._reconstructions)
        return {self.name: distance, kernel_name(self.name): kernel_distance(*self._rows())}

    def result(self, *, seed: int = 0) -> FrechetResult:
        """Distances of all clips added so far, and how far they can be trusted.

        A fifth of a second for tens of clips; minutes for thousands, on one core.

        Args:
            seed: of the clips drawn for blocks, curve and bootstrap.

        Raises:
            ValueError: fewer than 2 clips.
        """
        distance, kernel = self.values().values()
        originals, reconstructions = self._rows()
        block_size = min(BLOCK_SIZE, self.clips // 2)
        blocks = None
        if block_size >= 2:
            blocks = block_estimate(
                originals, reconstructions, blocks=BLOCKS, block_size=block_size, seed=seed
            )
        return FrechetResult(
            name=self.name,
            distance=distance,
            kernel_name=kernel_name(self.name),
            kernel_distance=kernel,
            kernel_blocks=blocks,
            trust=frechet_trust(originals, reconstructions, seed=seed),
            clips=self.clips,
            dimensions=self.dimensions,
        )

    def _rows(self) -> tuple[Tensor, Tensor]:
        """Rows (N, D) of originals and reconstructions, read from the file as they are used."""
        self._file.flush()
        shape = (self.clips, 2, self.dimensions)
        pairs = torch.from_numpy(np.memmap(self._file, np.float32, mode="c", shape=shape))
        return pairs[:, 0], pairs[:, 1]
