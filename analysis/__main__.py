"""Execute every notebook: ``python -m analysis --output-dir outputs``.

Exits with 0 when at least one figure was drawn, with 2 when there was nothing to draw.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.headless import execute
from analysis.runs import NoRuns, load, load_benchmarks
from analysis.selection import COMMANDS
from odvae.errors import UserError

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Figure:
    """A figure: the name of its files and the notebook that draws it."""

    name: str
    notebook: str
    parameters: dict[str, str] = field(default_factory=dict)


FIGURES = (
    Figure("01_variants", "01_variants.ipynb"),
    Figure("02_initialisations", "02_initialisations.ipynb"),
    Figure("03_curves_variant", "03_curves.ipynb", {"by": "variant"}),
    Figure("03_curves_init", "03_curves.ipynb", {"by": "init"}),
    Figure("04_frame_position", "04_frame_position.ipynb"),
    Figure("05_cost", "05_cost.ipynb"),
    Figure("06_reconstruction", "06_reconstruction.ipynb"),
    Figure("07_objectives", "07_objectives.ipynb"),
    Figure("08_tiling", "08_tiling.ipynb"),
    Figure("09_speed", "09_speed.ipynb"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what can be drawn, say what cannot; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        only = _pairs(options.only)
        if all(read(options.output_dir).table.empty for read in (load, load_benchmarks)):
            print(f"no finished runs in {options.output_dir}; make some: {COMMANDS['variant']}")
            return 2
        drawn = [_draw(figure, options, only) for figure in FIGURES]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if any(drawn) else 2


def _draw(figure: Figure, options: argparse.Namespace, only: dict[str, str]) -> bool:
    folder: Path = options.figures_dir
    parameters = {
        "output_dir": str(options.output_dir.absolute()),
        "figures_dir": str(folder.absolute()),
        "only": only,
        **figure.parameters,
    }
    try:
        execute(_HERE / figure.notebook, parameters)
    except NoRuns as reason:
        print(f"{figure.name}: {reason}", flush=True)
        return False
    print(f"{figure.name}: {folder / figure.name}.png, .pdf, .csv", flush=True)
    return True


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(pairs) < len(texts):
        raise UserError(f"--only needs COLUMN=VALUE, each column once, got {' '.join(texts)}")
    return pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Draw all figures.")
    parser.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where runs are logged"
    )
    parser.add_argument(
        "--figures-dir", type=Path, default=_HERE / "figures", help="where figures are written"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="use these runs, for instance preset=gpu; otherwise the largest comparable set",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
