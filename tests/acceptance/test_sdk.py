"""The SDK beyond single keys: following a source, and asyncio."""

import asyncio
import threading
from datetime import datetime, timedelta
from itertools import islice

from framedb import connect_async
from framedb.client import FrameDB
from framedb.frame import CameraKey, utc_now
from tests.acceptance.conftest import UpNode


def put_in_turn(db: FrameDB, source: str, number: int, start: datetime) -> list[str]:
    """Keys of frames that were put one after the other, captured from that time on."""
    site, _, camera = source.partition(":")
    keys = [str(CameraKey(site, camera, start + timedelta(milliseconds=n))) for n in range(number)]
    for key in keys:
        db.put(key, key.encode())
    return keys


def test_a_source_is_followed_from_now_on_and_nothing_is_taken_away(db: FrameDB) -> None:
    now, later = utc_now(), utc_now() + timedelta(seconds=1)
    old = put_in_turn(db, "sdk:follow", 3, now)
    stream = db.stream("sdk:follow", since=later, interval=0.01)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(frame.key for frame in islice(stream, 100)))
    reader.start()
    new = put_in_turn(db, "sdk:follow", 100, later)
    reader.join(30)
    assert found == new
    assert [frame is not None for frame in db.get_many(old + new)] == [True] * 103


def test_a_source_is_followed_from_a_time_that_has_passed(db: FrameDB) -> None:
    since = utc_now()
    keys = put_in_turn(db, "sdk:past", 70, since)
    assert [frame.key for frame in islice(db.stream("sdk:past", since=since), 70)] == keys


def test_asyncio_programs_await_the_same_calls(node: UpNode) -> None:
    async def program() -> None:
        async with connect_async(node.url) as db:
            since = utc_now()
            keys = [str(CameraKey("sdk", "async", since + timedelta(milliseconds=n))) for n in range(20)]
            puts = await asyncio.gather(*(db.put(key, key.encode()) for key in keys))
            assert all(puts)
            frames = await db.get_many(keys)
            assert [frame and bytes(frame.view()).decode() for frame in frames] == keys
            latest = await db.latest("sdk:async")
            assert latest is not None
            assert latest.key == keys[-1]
            found = [frame.key async for frame in db.range("sdk:async", since, since + timedelta(seconds=1))]
            assert found == keys
            followed: list[str] = []
            async for frame in db.stream("sdk:async", since=since):
                followed.append(frame.key)
                if len(followed) == len(keys):
                    break
            assert followed == keys
            assert await db.delete(*keys) == len(keys)

    asyncio.run(program())


def test_many_streams_that_wait_hold_up_no_other_call(node: UpNode) -> None:
    async def program() -> None:
        async with connect_async(node.url) as db:
            waiting = [asyncio.ensure_future(anext(db.stream(f"sdk:silent-{n}"))) for n in range(50)]
            await asyncio.sleep(0.1)
            assert await asyncio.wait_for(db.get("sdk:nothing"), timeout=30) is None
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(program())
