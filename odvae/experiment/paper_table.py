"""The paper's Table 1, printed under the summary of runs of several methods."""

from collections.abc import Sequence

from rich.console import Console

from odvae.experiment.table import Summary
from odvae.paper import paper_rows
from odvae.tracking import LoggedRun
from odvae.vaes.methods import Method, method_of

TITLE = (
    "The paper's Table 1 (arXiv 2409.01199), its own data and protocol: "
    "not to be compared with the numbers above, only its order."
)
_METRICS = {"psnr": "PSNR dB", "ssim": "SSIM", "lpips": "LPIPS"}


def print_papers_table(runs: Sequence[LoggedRun], console: Console) -> None:
    """Print it where other methods than OD-VAE are among the runs."""
    if any(method_of(run.tags) is not Method.odvae for run in runs):
        console.print(TITLE, highlight=False, markup=False, soft_wrap=True)
        papers_summary().print(console)


def papers_summary() -> Summary:
    """A row per method, the metrics of each data set side by side."""
    rows = paper_rows(table=1)
    values = {(row.method, row.dataset, row.metric): row.value for row in rows}
    methods = list(dict.fromkeys(row.method for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows if row.dataset))
    columns = ["paper", "parameters M", "VCPR"]
    columns += [f"{dataset} {title}" for dataset in datasets for title in _METRICS.values()]
    return Summary(
        columns,
        [
            [
                method,
                f"{values[method, '', 'params']:.2f}",
                f"{values[method, '', 'vcpr']:.0f}",
                *(
                    f"{values[method, dataset, metric]:.{2 if metric == 'psnr' else 4}f}"
                    for dataset in datasets
                    for metric in _METRICS
                ),
            ]
            for method in methods
        ],
    )
