"""Count, mean and covariance of rows that come a few at a time, in constant memory."""

import torch
from torch import Tensor


class Moments:
    """Moments in float64 of rows (N, D) of any number N, whatever parts they come in.

    Rows are measured from the first one seen, the origin, so that an offset common to all of them
    costs no digits. Parts are joined by the formula of Chan, Golub and LeVeque (1979), which is
    exact up to rounding: the moments of parts, of processes too, merge to those of the whole.

    Args:
        dimensions: D.
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0  # N
        self._origin = torch.zeros(dimensions, dtype=torch.float64)
        self._shift = torch.zeros(dimensions, dtype=torch.float64)  # of the mean from the origin
        self._scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64)  # about the mean

    @classmethod
    def of(cls, rows: Tensor) -> "Moments":
        """Moments of rows (N, D)."""
        moments = cls(rows.shape[-1])
        moments.add(rows)
        return moments

    @classmethod
    def from_tensor(cls, packed: Tensor) -> "Moments":
        """Undo ``to_tensor``.

        Raises:
            ValueError: not a square float64 tensor.
        """
        if packed.ndim != 2 or packed.shape[0] != packed.shape[1] or packed.dtype != torch.float64:
            got = f"{tuple(packed.shape)} of {packed.dtype}"
            raise ValueError(f"moments are packed in a square of float64, got {got}")
        packed = packed.cpu()
        moments = cls(len(packed) - 1)
        moments.count = int(packed[0, 0])
        moments._shift, moments._origin = packed[0, 1:].clone(), packed[1:, 0].clone()
        moments._scatter = packed[1:, 1:].clone()
        return moments

    def to_tensor(self) -> Tensor:
        """All there is to know, as one (D + 1, D + 1) tensor to save or to gather."""
        packed = torch.empty(self.dimensions + 1, self.dimensions + 1, dtype=torch.float64)
        packed[0, 0] = self.count
        packed[0, 1:], packed[1:, 0] = self._shift, self._origin
        packed[1:, 1:] = self._scatter
        return packed

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self._origin)

    @property
    def mean(self) -> Tensor:
        """Mean (D,)."""
        return self._origin + self._shift

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance (D, D).

        Raises:
            ValueError: fewer than 2 rows.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 rows, got {self.count}")
        return self._scatter / (self.count - 1)

    @property
    def is_finite(self) -> bool:
        """Whether all rows were finite."""
        return bool(self.mean.isfinite().all() and self._scatter.isfinite().all())

    def add(self, rows: Tensor) -> None:
        """Count more rows (M, D), of any floating type, on any device; none is fine.

        Raises:
            ValueError: not (M, D).
        """
        if rows.ndim != 2 or rows.shape[1] != self.dimensions:
            raise ValueError(f"rows must be (M, {self.dimensions}), got {tuple(rows.shape)}")
        if len(rows) == 0:
            return
        rows = rows.detach().to("cpu", torch.float64)
        part = Moments(self.dimensions)
        part.count = len(rows)
        part._origin = rows[0].clone()
        rows = rows - part._origin
        part._shift = rows.mean(dim=0)
        rows = rows - part._shift
        part._scatter = rows.T @ rows
        self.merge(part)

    def merge(self, other: "Moments") -> None:
        """Count the rows of other moments as well; those stay as they are.

        Raises:
            ValueError: the dimensions differ.
        """
        if other.dimensions != self.dimensions:
            raise ValueError(f"cannot merge {self.dimensions} and {other.dimensions} dimensions")
        if other.count == 0:
            return
        if self.count == 0:
            self._origin = other._origin.clone()
        total = self.count + other.count
        apart = (other._origin - self._origin) + (other._shift - self._shift)  # of the two means
        self._scatter = self._scatter + other._scatter
        if self.count:
            self._scatter += torch.outer(apart, apart) * (self.count * other.count / total)
        self._shift = self._shift + apart * (other.count / total)
        self.count = total
