"""The shared MLflow in containers: what can be checked without any."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return parsed


def test_there_are_a_server_a_database_and_a_store(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "minio", "bucket", "mlflow"}
    assert services["postgres"]["image"].startswith("postgres:16.")
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag), (name, tag)
        waits = service.get("depends_on", {})
        assert set(waits) <= set(services)
        for other, wait in waits.items():
            healthy = wait["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in services[other])
    assert "--artifacts-destination=s3://mlflow" in services["mlflow"]["command"]
    assert "store/mlflow" in services["bucket"]["command"][0]


def test_only_this_computer_gets_to_it(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${PORT:-5000}:5000"]


def test_data_outlive_containers(compose: dict[str, Any]) -> None:
    used = [
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    ]
    assert sorted(used) == sorted(compose["volumes"]) == ["minio", "postgres"]


def test_secrets_come_from_a_file_that_git_ignores() -> None:
    text = COMPOSE.read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert asked == set(given)
    assert {name for name in given if "PASSWORD" in name} == {"POSTGRES_PASSWORD", "MINIO_PASSWORD"}
    for name in asked:
        if "PASSWORD" in name:
            assert given[name] == ""
            assert f"${{{name}:?set it in .env}}" in text  # without it, nothing starts
    ignored = (DEPLOY.parent / ".gitignore").read_text().splitlines()
    assert "/deploy/.env" in ignored
