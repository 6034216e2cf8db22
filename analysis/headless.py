"""Executing a notebook without a browser, in a kernel of the running interpreter."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError

from analysis.runs import NoRuns

_ROOT = Path(__file__).resolve().parents[1]  # of the project, where `analysis` is imported from
_KERNEL = "odvae_analysis"


def execute(notebook: Path, parameters: Mapping[str, object]) -> None:
    """Run a notebook's cells with these parameters; its outputs are not kept.

    Raises:
        NoRuns: the notebook found nothing to draw.
        PapermillExecutionError: a cell failed.
    """
    try:
        with _kernel_of_this_interpreter():
            papermill.execute_notebook(
                notebook,
                None,
                parameters=dict(parameters),
                kernel_name=_KERNEL,
                progress_bar=False,
                cwd=notebook.parent,
            )
    except PapermillExecutionError as error:
        if error.ename == NoRuns.__name__:
            raise NoRuns(error.evalue) from error
        raise


@contextmanager
def _kernel_of_this_interpreter() -> Iterator[None]:
    """Let Jupyter find a kernel that is this Python, whatever is installed under "python3"."""
    before = os.environ.get("JUPYTER_PATH")
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "kernels", _KERNEL, "kernel.json")
        spec.parent.mkdir(parents=True)
        spec.write_text(json.dumps(_kernel_spec()))
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, before]))
        try:
            yield
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def _kernel_spec() -> dict[str, object]:
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return {
        "argv": [
            sys.executable,
            "-Xfrozen_modules=off",  # without it the kernel's debugger prints a warning
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--log-level=CRITICAL",  # it reports its own start and end as warnings and errors
        ],
        "display_name": "The running interpreter",
        "language": "python",
        "env": {"PYTHONPATH": path},
    }
