"""Jobs of very many frames: told, and shown, without ever being in memory as a whole."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert, update

from framedb.frame import utc_now
from framedb.registry import write
from framedb.registry.tables import job_frames, jobs
from tests.integration.extractor.conftest import Service

MANY = 3500
"""More than three pages."""


@contextmanager
def job_of(service: Service, frames: int) -> Iterator[str]:
    """The id of a job that has so many frames."""
    job_id = service.submit()
    now = utc_now()
    rows = [
        {
            "job_id": job_id, "index": index, "timestamp": index / 25, "pts_seconds": None, "checksum": f"{index:064x}",
            "file_size": 200_000, "width": 1920, "height": 1080, "name": f"{index / 25:.2f}.jpg", "created_at": now,
        }
        for index in range(frames)
    ]  # fmt: skip
    mine = update(jobs).where(jobs.c.job_id == job_id).values(processed_frames=frames)
    write(service.extraction.registry, lambda connection: connection.execute(insert(job_frames), rows))
    write(service.extraction.registry, lambda connection: connection.execute(mine))
    yield job_id
    service.request("DELETE", f"/job/{job_id}")


@pytest.fixture(scope="module")
def job_id(idle: Service) -> Iterator[str]:
    """A job of many frames."""
    with job_of(idle, MANY) as job_id:
        yield job_id


def test_all_frames_are_told_where_no_limit_is_given(idle: Service, job_id: str) -> None:
    told = idle.get(f"/frames/{job_id}")
    assert list(told) == ["job_id", "frames", "total_count"]
    assert (told["job_id"], told["total_count"]) == (job_id, MANY)
    assert [frame["index"] for frame in told["frames"]] == list(range(MANY))


@pytest.mark.parametrize(
    ("after", "limit", "indexes"),
    [
        (-1, 2000, range(2000)),
        (-1, 2001, range(2001)),
        (999, 1500, range(1000, 2500)),
        (3000, 100_000, range(3001, MANY)),
        (3400, None, range(3401, MANY)),
        (MANY, 10, range(0)),
    ],
)
def test_a_part_of_the_frames_is_told_with_how_many_there_are(
    idle: Service, job_id: str, after: int, limit: int | None, indexes: range
) -> None:
    told = idle.get(f"/frames/{job_id}?after={after}" + ("" if limit is None else f"&limit={limit}"))
    assert [frame["index"] for frame in told["frames"]] == list(indexes)
    assert told["total_count"] == MANY


def test_frames_are_read_while_they_are_sent_and_not_before(idle: Service) -> None:
    many = 30_000  # some 13 MB, which no buffer on the way takes
    with job_of(idle, many) as job_id, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(idle.url)
        reader.connect((address.hostname, address.port))
        reader.sendall(f"GET /frames/{job_id} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = reader.recv(1024)
        assert idle.request("DELETE", f"/job/{job_id}").status == 200
        while piece := reader.recv(2**20):
            answer += piece
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert 0 < len(told["frames"]) < many
    assert told["total_count"] == len(told["frames"])


def test_a_sheet_is_of_frames_spread_over_all_of_them(idle: Service, job_id: str) -> None:
    chosen = idle.extraction.jobs.frames_spread(job_id, 4)
    assert [frame.index for frame in chosen] == [0, 875, 1750, 2625]
    assert len(idle.extraction.jobs.frames_spread(job_id, MANY + 1)) == MANY
