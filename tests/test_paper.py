"""The paper's numbers are all there and are read as they stand."""

from collections import Counter

import pytest

from odvae.paper import PaperNumber, paper_rows
from odvae.vaes.methods import METHODS


@pytest.mark.parametrize(("table", "numbers"), [(1, 7 * 8), (2, 5 * 5 + 5 * 4), (3, 8), (4, 8)])
def test_a_table_is_complete(table: int, numbers: int) -> None:
    rows = paper_rows(table)
    assert len(rows) == numbers
    assert set(Counter((row.method, row.dataset, row.metric) for row in rows).values()) == {1}


@pytest.mark.parametrize(
    ("table", "number"),
    [
        (1, PaperNumber("OD-VAE", "WebVid-10M val", "psnr", 31.16, "dB")),
        (1, PaperNumber("OD-VAE", "Panda-70M val", "lpips", 0.0454, "")),
        (1, PaperNumber("OD-VAE", "", "params", 239.19, "M")),
        (1, PaperNumber("SVD-VAE", "", "vcpr", 64.0, "")),
        (1, PaperNumber("TATS", "Panda-70M val", "ssim", 0.668, "")),
        (2, PaperNumber("OD-VAE", "UCF101", "fvd", 1315.13, "")),
        (3, PaperNumber("variant 4", "81x256x256", "encode_speed", 4.13, "it/s")),
        (4, PaperNumber("OD-VAE with tiling", "WebVid-10M val 97 frames", "psnr", 30.98, "dB")),
    ],
)
def test_a_number_is_the_papers(table: int, number: PaperNumber) -> None:
    assert number in paper_rows(table)


def test_every_method_of_table_1_is_in_the_table_of_methods() -> None:
    reported = {row.method for row in paper_rows(1)}
    assert len(reported) == 7
    assert reported == {row.paper_name for row in METHODS.values()} - {None}


def test_od_vae_compresses_four_times_as_much_as_an_image_vae() -> None:
    ratio = {row.method: row.value for row in paper_rows(1) if row.metric == "vcpr"}
    assert ratio["OD-VAE"] == 4 * ratio["SD-VAE"] == 4 * 8 * 8


def test_there_is_no_table_5() -> None:
    with pytest.raises(ValueError, match="got 5"):
        paper_rows(5)
