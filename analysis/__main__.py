"""Execute every notebook: ``python -m analysis --output-dir outputs``.

A figure for which the output folder holds no runs is drawn from those recorded in the repository,
and says so. Exits with 0 when at least one figure was drawn, with 2 when there was nothing to draw.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.choices import pairs
from analysis.headless import execute
from analysis.runs import NoRuns
from odvae.errors import UserError

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Figure:
    """A figure: the name of its files and the notebook that draws it."""

    name: str
    notebook: str
    parameters: dict[str, str] = field(default_factory=dict)
    has_texts: bool = False  # whether its tables are written as Markdown and LaTeX too


FIGURES = (
    Figure("01_variants", "01_variants.ipynb"),
    Figure("02_initialisations", "02_initialisations.ipynb"),
    Figure("03_figure4", "03_figure4.ipynb"),
    Figure("04_frame_position", "04_frame_position.ipynb"),
    Figure("05_cost", "05_cost.ipynb", has_texts=True),
    Figure("06_reconstruction", "06_reconstruction.ipynb", has_texts=True),
    Figure("07_objectives", "07_objectives.ipynb"),
    Figure("08_tiling", "08_tiling.ipynb", has_texts=True),
    Figure("09_speed", "09_speed.ipynb", has_texts=True),
    Figure("10_initialisation_laboratory", "10_initialisation_laboratory.ipynb"),
    Figure("11_pareto_variant", "11_pareto.ipynb", {"by": "variant"}),
    Figure("11_pareto_model", "11_pareto.ipynb", {"by": "model"}),
    Figure("12_latents", "12_latents.ipynb"),
    Figure("13_generation", "13_generation.ipynb", has_texts=True),
    Figure("13_generation_curves", "13_generation_curves.ipynb"),
    Figure("14_probe", "14_probe.ipynb"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what can be drawn, say what cannot; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        only = pairs(options.only)
        drawn = [_draw(figure, options, only) for figure in FIGURES]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if any(drawn) else 2


def _draw(figure: Figure, options: argparse.Namespace, only: dict[str, str]) -> bool:
    folder: Path = options.figures_dir
    parameters = {
        "output_dir": str(options.output_dir.absolute()),
        "recorded_dir": str(options.recorded_dir.absolute()),
        "figures_dir": str(folder.absolute()),
        "only": only,
        **figure.parameters,
    }
    try:
        execute(_HERE / figure.notebook, parameters)
    except NoRuns as reason:
        print(f"{figure.name}: {reason}", flush=True)
        return False
    texts = ", .md, .tex" if figure.has_texts else ""
    print(f"{figure.name}: {folder / figure.name}.png, .pdf, .csv{texts}", flush=True)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Draw all figures.")
    parser.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where runs are logged"
    )
    parser.add_argument(
        "--recorded-dir",
        type=Path,
        default=_HERE.parent / "experiments",
        help="where recorded runs stand, for figures of which none are logged",
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
