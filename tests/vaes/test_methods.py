"""The table of methods and the files of ``conf/model/`` tell the same."""

import pytest
import yaml

from odvae import config_files
from odvae.model import VARIANTS
from odvae.paper import paper_rows
from odvae.vaes.methods import METHODS, Method

FILES = {file.stem: file for file in (config_files.conf() / "model").glob("*.yaml")}


def test_every_method_has_a_row_and_a_file() -> None:
    assert set(METHODS) == set(Method)
    assert set(FILES) == {method.value for method in Method}


@pytest.mark.parametrize("method", Method)
def test_a_file_names_its_method_and_weights_where_they_are_published(method: Method) -> None:
    settings = yaml.safe_load(FILES[method.value].read_text())
    assert settings.pop("name") == method.value
    is_published = method.row.diffusers_class is not None and method.row.variant is None
    assert set(settings) == ({"path"} if is_published else set())


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
