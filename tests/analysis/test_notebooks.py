"""Notebooks hold no outputs, are all executed, and run in this interpreter."""

import json
from pathlib import Path

import pytest

import analysis.__main__ as command
from analysis import NoRuns
from analysis.headless import execute
from tests.sampling import first

FOLDER = Path(command.__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RECORDED = {
    *("01_variants", "02_initialisations", "03_figure4", "05_cost", "06_reconstruction"),
    *("08_tiling", "10_initialisation_laboratory", "11_pareto_variant", "11_pareto_model"),
}
"""Figures for which there are recorded runs."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_holds_no_outputs(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "parameters" in code[0]["metadata"]["tags"]
    assert len(code) <= 4


def test_every_notebook_is_executed() -> None:
    assert {figure.notebook for figure in command.FIGURES} == {path.name for path in NOTEBOOKS}
    assert len({figure.name for figure in command.FIGURES}) == len(command.FIGURES)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder without runs."""
    return tmp_path_factory.mktemp("empty")


@pytest.mark.parametrize("figure", first(3, command.FIGURES), ids=lambda figure: figure.name)
def test_a_notebook_draws_what_is_recorded_in_the_repository(
    figure: command.Figure, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells run one after the other here; ``execute`` runs them in a kernel."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    parameters = {
        "output_dir": str(empty),
        "recorded_dir": str(FOLDER.parent / "experiments"),
        "figures_dir": str(tmp_path),
        **figure.parameters,
    }
    try:
        _run_cells(FOLDER / figure.notebook, parameters)
    except NoRuns as reason:
        if figure.name in RECORDED:
            raise
        pytest.skip(str(reason))
    suffixes = {"png", "pdf", "csv", *({"md", "tex"} if figure.has_texts else ())}
    assert {path.name for path in tmp_path.iterdir()} == {f"{figure.name}.{s}" for s in suffixes}


def _run_cells(notebook: Path, parameters: dict[str, str]) -> None:
    names: dict[str, object] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= parameters


def test_a_mistyped_option_is_a_users_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--output-dir", str(tmp_path), "--only", "preset"]) == 2
    assert capsys.readouterr().err == "--only needs COLUMN=VALUE, each column once, got preset\n"


@pytest.mark.parametrize("drawable", [["05_cost"], []])
def test_the_exit_code_says_whether_anything_was_drawn(
    output_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    drawable: list[str],
) -> None:
    def fake_execute(notebook: Path, parameters: dict[str, object]) -> None:
        if notebook.stem not in drawable:
            raise NoRuns("no runs; make them: so")

    names = ("02_initialisations", *drawable)
    monkeypatch.setattr(command, "execute", fake_execute)
    monkeypatch.setattr(command, "FIGURES", [f for f in command.FIGURES if f.name in names])
    options = ["--output-dir", str(output_dir), "--figures-dir", "figures"]
    assert command.main(options) == (0 if drawable else 2)
    drawn = [f"{name}: figures/{name}.png, .pdf, .csv, .md, .tex" for name in drawable]
    missing = "02_initialisations: no runs; make them: so"
    assert capsys.readouterr().out.splitlines() == [missing, *drawn]


@pytest.mark.slow
def test_a_notebook_draws_in_this_interpreter(
    output_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parameters = {"output_dir": str(output_dir), "figures_dir": str(tmp_path), "by": "variant"}
    parameters |= {"recorded_dir": str(tmp_path)}
    execute(FOLDER / "11_pareto.ipynb", parameters)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"11_pareto_variant.{suffix}" for suffix in ("png", "pdf", "csv")}
    with pytest.raises(NoRuns, match="make them: python -m odvae"):
        execute(FOLDER / "11_pareto.ipynb", parameters | {"only": {"preset": "gpu"}})
    assert capfd.readouterr() == ("", "")
