"""3x3x3 causal convolution with half the multiplications. Clips are (T, C, H, W), channels last.

Frame 0 sees itself three times: its convolution is 2D, with the taps summed. An image costs no
more than that. The frames after it are filtered along time by Winograd's F(m, 3), where a product
is a 2D convolution of a frame. No padded copy is made: a transform reads the frames where they are.
"""

import torch
from torch import Tensor

from odvae.acceleration.clip import Rows, Stage, as_matrix, joined, new_clip, strips
from odvae.acceleration.framewise import apply_framewise
from odvae.acceleration.kernels import Kernel
from odvae.acceleration.winograd import filtering
from odvae.model.streaming import State

_TOGETHER = 1 << 22  # numbers in the making of tiles at once, where frames are small


def tile_frames(dtype: torch.dtype) -> int:
    """Outputs of a tile: F(4, 3) halves the work, but enlarges errors too much for bfloat16."""
    return 4 if dtype.itemsize >= 4 else 2


class TemporalConv(Stage):
    """A causal convolution whose three taps in time are 2D kernels; T frames stay T.

    ``weight`` is (C_out, C_in, 3, 3, 3). Its transform takes 2 2/3 times the memory in float32,
    1 2/3 in bfloat16. The state is the last two input frames, or one that stands for both.
    """

    summed: Tensor
    bias: Tensor
    data_to_points: Tensor
    points_to_outputs: Tensor

    def __init__(
        self, weight: Tensor, bias: Tensor, kernel: Kernel, *, still: Kernel | None = None
    ) -> None:
        """``still`` is a kernel of the same meaning for frame 0, which is convolved once."""
        super().__init__()
        self.kernel = kernel
        self.still = still or kernel
        method = filtering(tile_frames(weight.dtype))
        self.tile = method.tile
        self.bias_point = method.constant_point
        taps = weight.double().transpose(0, 2).flatten(1)  # (3, C_in * C_out * 9)
        sizes = (weight.shape[1], weight.shape[0], 3, 3)
        for point, mix in enumerate(method.taps.to(taps).split(1)):
            at_point = (mix @ taps).view(sizes).transpose(0, 1)
            self.register_buffer(f"point_{point}", kernel.prepare(at_point).to(weight.dtype))
        summed = taps.sum(0).view(sizes).transpose(0, 1)
        self.register_buffer("summed", self.still.prepare(summed).to(weight.dtype))
        self.register_buffer("bias", bias)
        self.register_buffer("data_to_points", method.inputs.to(weight))
        self.register_buffer("points_to_outputs", method.outputs.to(weight))

    def forward(
        self, x: Tensor, state: State, *, last: bool, onto: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As a stage; ``onto`` is a clip that the result is added to in place."""
        scale = self.kernel.scale
        y = onto
        if y is None:
            y = new_clip(x, len(x), len(self.bias), scale * x.shape[2], scale * x.shape[3])
        past, later, out = state, x, y
        if state is None and len(x):
            frame_0 = apply_framewise(self.still, x[:1], self.summed, self.bias)
            y[:1] = frame_0 if onto is None else frame_0.add_(y[:1])
            past, later, out = x[:1], x[1:], y[1:]
        starts, in_a_row = range(0, len(later), self.tile), self._numbers_in_a_row(x)
        tiles = max(1, _TOGETHER // (in_a_row * x.shape[2]))
        for rows in strips(x.shape[2], self.kernel.strip_elements // in_a_row):
            made = out[:, :, scale * rows.first : scale * rows.last]
            for i in range(0, len(starts), tiles):
                some = starts[i : i + tiles]
                # In one expression: no name keeps the products while the next are made.
                self._combine(
                    self._products(self._values(past, later, some, rows), rows),
                    made,
                    some,
                    add=onto is not None,
                )
        if last or past is None:
            return y, None
        return y, joined([past, later[-2:]])[-2:]

    def _numbers_in_a_row(self, x: Tensor) -> int:
        """Of pixels, in the making of a tile."""
        made = self.kernel.scale**2 * len(self.bias)
        return (self.tile + 2) * x.shape[3] * (x.shape[1] + made)

    def _values(self, past: Tensor, later: Tensor, starts: range, rows: Rows) -> Tensor:
        """Frames start - 2 to start + m of each tile, transformed.

        Returns:
            ((m + 2) * tiles, C_in, rows.seen, W): all tiles' first values, then the second, ...
        """
        seen = rows.seen
        values = new_clip(
            later,
            (self.tile + 2) * len(starts),
            later.shape[1],
            seen.stop - seen.start,
            later.shape[3],
        )
        columns = self.data_to_points
        for start, target in zip(starts, _by_tile(values, len(starts)), strict=True):
            if start == 0:
                before = columns[:, :2] if len(past) == 2 else columns[:, :2].sum(1, keepdim=True)
                torch.mm(before, as_matrix(past[:, :, seen]), out=target)
                frames = as_matrix(later[: self.tile, :, seen])
                target.addmm_(columns[:, 2 : 2 + len(frames)], frames)
            else:
                # Frames beyond the end count as zeros: no output that there is depends on them.
                frames = as_matrix(later[start - 2 : start + self.tile, :, seen])
                torch.mm(columns[:, : len(frames)], frames, out=target)
        return values

    def _products(self, values: Tensor, rows: Rows) -> Tensor:
        """(tiles of each point, C_in, rows.seen, W) to what its kernel makes of them."""
        scale = self.kernel.scale
        size = (scale * (rows.last - rows.first), scale * values.shape[3])
        products = new_clip(values, len(values), len(self.bias), *size)
        at_points = zip(values.chunk(self.tile + 2), products.chunk(self.tile + 2), strict=True)
        for point, (value, product) in enumerate(at_points):
            kernel = self.get_buffer(f"point_{point}")
            bias = self.bias if point == self.bias_point else None
            product.copy_(self.kernel.apply(value, kernel, bias, rows))
        return products

    def _combine(self, products: Tensor, made: Tensor, starts: range, *, add: bool) -> None:
        """The products to outputs, written where they belong or added to what is there."""
        for start, product in zip(starts, _by_tile(products, len(starts)), strict=True):
            out = made[start : start + self.tile]
            as_matrix(out).addmm_(self.points_to_outputs[: len(out)], product, beta=int(add))


def _by_tile(values: Tensor, tiles: int) -> tuple[Tensor, ...]:
    """Clips of (points * tiles) frames as a view (points, numbers) for each tile."""
    by_tile: tuple[Tensor, ...] = as_matrix(values).unflatten(0, (-1, tiles)).unbind(1)
    return by_tile
