"""The table of networks whose features can be compared: one row each, loaded only when used."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from odvae.metrics.frechet_features import (
    I3D_MIN_FRAMES,
    I3d,
    UntrainedR3d18,
    kernel_name,
    too_short,
)
from odvae.metrics.kinetics_features import KINETICS_NETWORKS, KineticsFeatures


@dataclass(frozen=True, kw_only=True)
class FeatureNetworkRow:
    """A network by name: what its distances are called, and how to get it."""

    name: str
    metric: str  # of the Frechet distance
    min_frames: int
    load: Callable[[], I3d | KineticsFeatures | UntrainedR3d18]
    """Raises WeightsMissing where its weights are not to be had."""

    @property
    def kernel_metric(self) -> str:
        """Name of the kernel distance."""
        return kernel_name(self.metric)

    def refusal(self, frames: int) -> str | None:
        """Why clips of so many frames cannot be looked at, in one line; None when they can."""
        if frames >= self.min_frames:
            return None
        return too_short(self.metric, self.name, least=self.min_frames, frames=frames)


_ROWS = (
    FeatureNetworkRow(name="i3d", metric="fvd", min_frames=I3D_MIN_FRAMES, load=I3d),
    *(
        FeatureNetworkRow(
            name=network.name,
            metric=network.metric,
            min_frames=network.min_frames,
            load=partial(KineticsFeatures, network),
        )
        for network in KINETICS_NETWORKS
    ),
    FeatureNetworkRow(
        name="untrained_r3d18", metric="fvd_untrained_r3d18", min_frames=1, load=UntrainedR3d18
    ),
)
FEATURE_NETWORKS = {row.name: row for row in _ROWS}
"""Networks by name."""
