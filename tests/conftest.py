"""One thread: tests run in parallel over files, and threads that wait for each other are slow."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def seeds():
    """Draw the same random numbers in every run of a test, and leave the generator as it was."""
    from dclib.runtime import seeded  # PyTorch reads the number of threads when it is imported

    with seeded(0):
        yield
