"""The table of methods and the files of ``conf/model/`` tell the same."""

import pytest
import yaml

from odvae import config_files
from odvae.config import WeightsConfig
from odvae.model import VARIANTS
from odvae.paper import paper_rows
from odvae.vaes.diffusers_table import DIFFUSERS_ROWS
from odvae.vaes.hub import HubId
from odvae.vaes.methods import METHODS, Method

FILES = {file.stem: file for file in (config_files.conf() / "model").glob("*.yaml")}


def test_every_method_has_a_row_and_a_file() -> None:
    assert set(METHODS) == set(Method)
    assert set(FILES) == {method.value for method in Method}


@pytest.mark.parametrize("method", Method)
def test_a_file_names_its_method(method: Method) -> None:
    assert yaml.safe_load(FILES[method.value].read_text()) == {"name": method.value}


@pytest.mark.parametrize("method", Method)
def test_weights_can_be_named_for_what_is_published(method: Method) -> None:
    is_rival = method is not Method.odvae and method.row.to_be_had
    assert hasattr(WeightsConfig(), method.value) == is_rival
    published = method.row.diffusers_class is not None and not method.is_trainable
    assert (method.row.hub_id is not None) == published
    if published:
        assert HubId.parse(str(method.row.hub_id)) is not None
        assert method.row.diffusers_class in DIFFUSERS_ROWS


def test_rows_refer_to_what_there_is() -> None:
    assert {row.variant for row in METHODS.values()} - {None} <= set(VARIANTS)
    in_paper = {row.paper_name for row in METHODS.values()} - {None}
    assert in_paper == {row.method for row in paper_rows(table=1)}


def test_what_cannot_be_had_is_not_trained() -> None:
    assert not any(method.is_trainable for method in Method if not method.row.to_be_had)
    assert {method.value for method in Method if method.is_trainable} == {
        "odvae",
        "sd_vae",
        "svd_vae",
    }
