"""What all tests share."""

import os

import pytest
import torch

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Tests run side by side: one thread each is faster than several that fight."""
    torch.set_num_threads(1)
