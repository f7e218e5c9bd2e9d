"""A dataset gives every frame once, in whichever process it is read."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framedb import Frame, FrameDataset
from framedb.client import FrameDB
from framedb.errors import InvalidInputError
from framedb.frame import from_microseconds
from tests.acceptance.conftest import UpNode
from tests.acceptance.dataset_program import KEYS, SPAN
from tests.documents import ROOT

SECOND = SPAN[1] - SPAN[0]


@pytest.fixture
def numbered(db: FrameDB) -> Iterator[None]:
    """Twenty arrays, the nth full of n, spread over a second; the later ones closer together."""
    frames = [
        Frame.from_array(
            key,
            np.full((4, 6, 3), number, dtype=np.uint8),
            source="dataset",
            captured_at=SPAN[0] + SECOND * (1 - 0.7**number),
        )
        for number, key in enumerate(KEYS)
    ]
    db.put_many(frames, ttl=600)
    yield
    db.delete(*KEYS, source="dataset")


def first(array: Any) -> int:
    return int(array.flat[0])


@pytest.mark.usefixtures("numbered")
def test_arrays_come_in_the_order_of_their_keys_and_those_that_are_gone_are_left_out(node: UpNode, db: FrameDB) -> None:
    wanted = [KEYS[3], "dataset:nothing", KEYS[1], KEYS[2]]
    with FrameDataset.of_keys(wanted, source="dataset", url=node.url) as dataset:
        arrays = list(dataset)
        assert [first(array) for array in arrays] == [3, 1, 2]
        assert arrays[0].shape == (4, 6, 3)
        assert arrays[0].flags.writeable
        assert [first(array) for array in dataset] == [3, 1, 2]  # the next epoch


def test_a_frame_that_is_no_array_comes_as_its_bytes_or_as_it_is_transformed(node: UpNode, db: FrameDB) -> None:
    db.put("dataset:jpeg", b"\xff\xd8\xff...", ttl=60)
    with FrameDataset.of_keys(["dataset:jpeg"], url=node.url) as dataset:
        (array,) = dataset
        assert (array.dtype, bytes(array)) == (np.uint8, b"\xff\xd8\xff...")
    with FrameDataset.of_keys(["dataset:jpeg"], transform=lambda frame: frame.encoding, url=node.url) as dataset:
        assert list(dataset) == ["jpeg"]


@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("number", [1, 2, 3, 7, 30])
def test_shares_have_every_frame_once(node: UpNode, number: int) -> None:
    of_keys = FrameDataset.of_keys(KEYS, source="dataset", url=node.url)
    of_source = FrameDataset.of_source("dataset", *SPAN, url=node.url)
    for dataset in (of_keys, of_source):
        with dataset:
            shares = [[first(array) for array in dataset.shard(index, number)] for index in range(number)]
            assert sorted(chain(*shares)) == list(range(20))
            assert all(share == sorted(share) for share in shares)
            halves = [list(map(first, dataset.shard(0, 2).shard(index, 2))) for index in range(2)]
            assert sorted(chain(*halves)) == list(map(first, dataset.shard(0, 2)))


def test_a_share_that_there_is_not_and_a_time_without_a_zone_are_refused() -> None:
    dataset = FrameDataset.of_keys(["a"])
    for index, number in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(InvalidInputError, match="no share"):
            dataset.shard(index, number)
    with pytest.raises(InvalidInputError, match="time zone"):
        FrameDataset.of_source("dataset", datetime(2026, 1, 1), from_microseconds(0) + timedelta(days=1))
    with pytest.raises(InvalidInputError, match="list of keys"):
        FrameDataset.of_keys("abc")


@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_their_shares_over_connections_of_their_own(node: UpNode, method: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.acceptance.dataset_program", node.url, method, "3"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=node.environment,
    )
    assert done.returncode == 0, done.stderr
    shares = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    assert len(shares) == 6
    for of_one_dataset in (shares[:3], shares[3:]):
        assert sorted(chain(*of_one_dataset)) == [number * 4 * 6 * 3 for number in range(20)]


STAND_IN = """
import sys
from types import SimpleNamespace

class IterableDataset: ...

def get_worker_info():
    index, number = map(int, sys.argv[2:4])
    return SimpleNamespace(id=index, num_workers=number) if number else None
"""
WORKER = """
import sys
from torch.utils.data import IterableDataset
from framedb import FrameDataset
from tests.acceptance.dataset_program import KEYS, total

with FrameDataset.of_keys(KEYS, source="dataset", transform=total, url=sys.argv[1]) as dataset:
    assert isinstance(dataset, IterableDataset)
    print(*dataset)
"""


@pytest.mark.usefixtures("numbered")
def test_a_worker_of_a_data_loader_reads_its_own_share(node: UpNode, tmp_path: Path) -> None:
    """What torch tells a worker, told by three lines in its place: torch itself takes gigabytes."""
    (tmp_path / "torch" / "utils").mkdir(parents=True)
    (tmp_path / "torch" / "utils" / "data.py").write_text(STAND_IN)

    def run(index: int, number: int) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", WORKER, node.url, str(index), str(number)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**node.environment, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        )
        assert done.returncode == 0, done.stderr
        return [int(word) // (4 * 6 * 3) for word in done.stdout.split()]

    assert run(0, 0) == list(range(20))
    assert run(0, 2) + run(1, 2) == [*range(0, 20, 2), *range(1, 20, 2)]
