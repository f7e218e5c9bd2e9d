"""What holds for every place that keeps frames. A backend's tests subclass it and give it a `store`."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from framedb.errors import BufferTooSmallError, FrameDBError, InvalidFrameError, InvalidInputError, InvalidKeyError
from framedb.frame import MAX_KEY_BYTES, NO_SOURCE, CameraKey, Frame, parse_key, source_of
from framedb.stores.base import KEEP, FrameStore, SourceStats

START = datetime(2026, 11, 22, 4, 57, 21, 123456, tzinfo=UTC)
"""Capture time of the first frame of a test's camera."""

SOURCE = "plant-a:gate"
KIB = 1024
MIB = 1024 * KIB


def camera_frame(seconds: float = 0.0, data: bytes = b"image", *, site: str = "plant-a", camera: str = "gate") -> Frame:
    """A frame of a camera, captured that long after START."""
    captured_at = START + timedelta(seconds=seconds)
    key = CameraKey(site, camera, captured_at)
    return Frame(str(key), data, source=key.source, captured_at=captured_at, encoding="jpeg")


def plain_bytes(frame: Frame | None) -> bytes:
    """The frame's data, whatever buffer they came in; the frame must be there."""
    assert frame is not None
    return memoryview(frame.data).tobytes()


def patterned(size: int) -> bytes:
    """Bytes in which no part can be mistaken for another."""
    return np.arange(-(-size // 4), dtype="<u4").tobytes()[:size]


def until(condition: Callable[[], bool], what: str, *, seconds: float = 20.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.01)


class FrameStoreContract:
    """Every test a `FrameStore` must pass. `store` is an empty one."""

    many = 2000
    """Frames: more than one page or batch of any backend."""

    @pytest.fixture
    def store(self) -> Iterator[FrameStore]:
        """An empty store of the backend under test."""
        raise NotImplementedError

    # Round trips.

    def test_every_field_of_a_frame_comes_back(self, store: FrameStore) -> None:
        frame = Frame(
            camera_frame().key,
            b"\xff\xd8\x00jpeg\xff\xd9",
            source=SOURCE,
            captured_at=START,
            encoding="jpeg",
            width=1920,
            height=1080,
            pts=-9_007_199_254_740_993,
            time_base=Fraction(1001, 30000),
            keyframe=True,
            corrupt=True,
        )
        assert store.put(frame)

        got = store.get(frame.key)

        assert got is not None
        assert plain_bytes(got) == frame.data
        assert replace(got, data=frame.data) == frame
        assert got.captured_at.microsecond == 123456
        assert isinstance(got.time_base, Fraction)

    def test_fields_nobody_gave_come_back_as_they_were(self, store: FrameStore) -> None:
        frame = Frame("a plain value", b"123", captured_at=START)
        store.put(frame)

        got = store.get(frame.key)

        assert got is not None
        assert replace(got, data=frame.data) == frame

    def test_a_capture_time_in_another_zone_is_the_same_moment_in_utc(self, store: FrameStore) -> None:
        ist = timezone(timedelta(hours=5, minutes=30))
        frame = replace(camera_frame(), captured_at=START.astimezone(ist))
        store.put(frame)

        got = store.get(frame.key)

        assert got is not None
        assert got.captured_at == START
        assert got.captured_at.utcoffset() == timedelta(0)

    def test_a_capture_time_without_a_zone_is_refused(self, store: FrameStore) -> None:
        frame = replace(camera_frame(), captured_at=datetime(2026, 11, 22))
        with pytest.raises(InvalidFrameError):
            store.put(frame)
        assert store.get(frame.key) is None

    def test_a_frame_of_no_bytes_is_still_a_frame(self, store: FrameStore) -> None:
        frame = camera_frame(data=b"")
        store.put(frame)

        got = store.get(frame.key)

        assert plain_bytes(got) == b""
        assert store.get_into(frame.key, bytearray(4)) == 0
        assert store.stats(SOURCE).count == 1

    def test_a_frame_of_twenty_mebibytes_comes_back_whole(self, store: FrameStore) -> None:
        data = patterned(20 * MIB + 3)
        store.put(camera_frame(data=data))

        assert plain_bytes(store.get(camera_frame().key)) == data
        buffer = bytearray(len(data))
        assert store.get_into(camera_frame().key, buffer) == len(data)
        assert buffer == data
        assert store.stats(SOURCE).bytes == len(data)

    def test_a_key_nobody_wrote_is_absent(self, store: FrameStore) -> None:
        assert store.get("nothing here") is None
        assert store.get_into("nothing here", bytearray(1)) is None
        assert store.delete("nothing here") is False

    def test_any_buffer_may_be_put(self, store: FrameStore) -> None:
        store.put(Frame("bytearray", bytearray(b"abc")))
        store.put(Frame("memoryview", memoryview(b"xabcx")[1:4]))
        store.put(Frame("array", np.frombuffer(b"abc", dtype="u1").data))

        assert [plain_bytes(got) for got in store.get_many(["bytearray", "memoryview", "array"])] == [b"abc"] * 3

    # Arrays.

    @pytest.mark.parametrize(
        "array",
        [
            np.arange(48 * 64 * 3, dtype="u1").reshape(48, 64, 3),
            np.arange(600, dtype="<u2").reshape(20, 30),
            np.linspace(0, 1, 24, dtype="<f4").reshape(1, 2, 3, 4),
            np.array([True, False, True]),
            np.array(7.5),
            np.zeros((0, 3), dtype="u1"),
        ],
        ids=["bgr", "depth", "batch", "mask", "number", "empty"],
    )
    def test_an_array_keeps_its_shape_and_dtype(self, store: FrameStore, array: np.ndarray[Any, np.dtype[Any]]) -> None:
        key = camera_frame().key
        store.put(Frame.from_array(key, array, source=SOURCE, captured_at=START))

        got = store.get(key)

        assert got is not None
        assert got.encoding == "raw"
        assert got.array().dtype == array.dtype
        assert np.array_equal(got.array(), array)
        assert got.array().shape == array.shape

    def test_an_array_that_does_not_lie_in_one_piece_keeps_its_values(self, store: FrameStore) -> None:
        array = np.arange(40 * 60 * 3, dtype="u1").reshape(40, 60, 3)[::2, ::3, ::-1]
        store.put(Frame.from_array("sliced", array))

        got = store.get("sliced")

        assert got is not None
        assert np.array_equal(got.array(), array)

    # Reading into a buffer of the caller's.

    def test_a_frame_is_read_into_an_array_the_caller_holds(self, store: FrameStore) -> None:
        image = np.arange(720 * 1280 * 3, dtype="u1").reshape(720, 1280, 3)
        store.put(Frame.from_array(camera_frame().key, image, source=SOURCE, captured_at=START))
        room: Any = np.zeros_like(image)  # numpy says that it is a Buffer only from Python 3.12 on

        assert store.get_into(camera_frame().key, room) == image.nbytes
        assert np.array_equal(room, image)

    def test_a_buffer_with_room_to_spare_keeps_the_rest_as_it_was(self, store: FrameStore) -> None:
        store.put(Frame("k", b"12345"))
        room = bytearray(b"--------")

        assert store.get_into("k", memoryview(room)) == 5
        assert room == b"12345---"

    @pytest.mark.parametrize("size", [10, 3 * MIB])
    def test_a_buffer_that_is_too_small_is_an_error_and_stays_as_it_was(self, store: FrameStore, size: int) -> None:
        store.put(Frame("k", b"x" * size))
        room = bytearray(size - 1)
        with pytest.raises(BufferTooSmallError):
            store.get_into("k", room)

        assert room == bytes(size - 1)
        assert plain_bytes(store.get("k")) == b"x" * size

    # Overwriting and deleting.

    @pytest.mark.parametrize(
        ("first", "second"),
        [(10, 5), (5, 10), (3 * MIB, 1), (1, 3 * MIB), (12 * MIB, 10 * MIB), (10 * MIB, 12 * MIB)],
    )
    def test_the_later_frame_of_a_key_stands(self, store: FrameStore, first: int, second: int) -> None:
        store.put(camera_frame(data=patterned(first)))
        later = replace(camera_frame(data=patterned(second)[::-1]), width=640, encoding="png")
        store.put(later)

        got = store.get(later.key)

        assert plain_bytes(got) == later.data
        assert got is not None
        assert (got.width, got.encoding) == (640, "png")
        assert store.stats(SOURCE) == SourceStats(count=1, bytes=second)

    def test_an_overwritten_frame_moves_in_time(self, store: FrameStore) -> None:
        store.put(camera_frame(0))
        store.put(camera_frame(1))
        moved = replace(camera_frame(0), captured_at=START + timedelta(seconds=9))
        store.put(moved)

        latest = store.latest(SOURCE)
        in_order = [frame.key for frame in store.range(SOURCE, START, START + timedelta(minutes=1))]

        assert latest is not None
        assert latest.key == moved.key
        assert in_order == [camera_frame(1).key, moved.key]

    def test_a_deleted_frame_is_gone_everywhere(self, store: FrameStore) -> None:
        store.put(camera_frame(0))
        store.put(camera_frame(1))

        assert store.delete(camera_frame(1).key) is True
        assert store.delete(camera_frame(1).key) is False

        assert store.get(camera_frame(1).key) is None
        assert list(store.scan("frame:")) == [camera_frame(0).key]
        latest = store.latest(SOURCE)
        assert latest is not None
        assert latest.key == camera_frame(0).key
        assert store.stats(SOURCE) == SourceStats(count=1, bytes=5)

    def test_deleting_many_counts_each_frame_that_was_there_once(self, store: FrameStore) -> None:
        frames = [camera_frame(n, patterned(100 * n)) for n in range(5)]
        store.put_many(frames)
        gone = [frames[0].key, frames[3].key, "never there", frames[0].key]

        assert store.delete_many(gone) == 2
        assert store.delete_many([]) == 0
        assert set(store.scan("frame:")) == {frames[n].key for n in (1, 2, 4)}

    def test_a_deleted_large_frame_leaves_room_for_the_next(self, store: FrameStore) -> None:
        store.put(camera_frame(data=patterned(10 * MIB)))
        assert store.delete(camera_frame().key)
        store.put(camera_frame(data=b"small"))

        assert plain_bytes(store.get(camera_frame().key)) == b"small"

    # Many at once.

    def test_many_frames_come_back_in_the_order_of_the_keys(self, store: FrameStore) -> None:
        sizes = [0, 1, 64 * KIB, 2 * MIB, 9 * MIB, 200 * KIB, 3]
        frames = [camera_frame(n, patterned(size)) for n, size in enumerate(sizes)]

        puts = store.put_many(frames)

        assert [put.key for put in puts] == [frame.key for frame in frames]
        assert all(puts)
        order = [4, 0, 6, 6, 2, 5, 3, 1]
        got = store.get_many([frames[n].key for n in order])
        assert [plain_bytes(frame) for frame in got] == [frames[n].data for n in order]

    def test_absent_keys_among_many_are_none(self, store: FrameStore) -> None:
        store.put_many([camera_frame(0), camera_frame(2)])

        got = store.get_many([camera_frame(n).key for n in (0, 1, 2)])

        assert [frame and frame.key for frame in got] == [camera_frame(0).key, None, camera_frame(2).key]

    def test_nothing_may_be_put_and_asked_for(self, store: FrameStore) -> None:
        assert store.put_many([]) == []
        assert store.get_many([]) == []

    def test_of_a_key_given_twice_the_last_stands(self, store: FrameStore) -> None:
        store.put_many([camera_frame(data=b"first"), camera_frame(1), camera_frame(data=b"second!")])

        assert plain_bytes(store.get(camera_frame().key)) == b"second!"
        assert store.stats(SOURCE) == SourceStats(count=2, bytes=7 + 5)

    def test_many_small_frames_go_in_and_come_out(self, store: FrameStore) -> None:
        frames = [camera_frame(n, b"%d" % n) for n in range(self.many)]
        store.put_many(frames)

        got = store.get_many([frame.key for frame in frames])

        assert [plain_bytes(frame) for frame in got] == [frame.data for frame in frames]
        assert sorted(store.scan("frame:")) == sorted(frame.key for frame in frames)

    # Keys.

    @pytest.mark.parametrize(
        "key",
        ["", "fdb:mine", "fdb:plant-a:gate:t", "x" * (MAX_KEY_BYTES + 1), "é" * (MAX_KEY_BYTES // 2 + 1), "bad \ud800"],
        ids=["empty", "reserved", "index", "long", "long-in-bytes", "surrogate"],
    )
    def test_an_illegal_key_is_refused_and_nothing_is_stored(self, store: FrameStore, key: str) -> None:
        with pytest.raises(InvalidKeyError):
            store.put_many([camera_frame(0), Frame(key, b"data"), camera_frame(1)])

        assert list(store.scan()) == []
        assert store.latest(SOURCE) is None
        assert store.sources() == []

    @pytest.mark.parametrize("source", ["", "a b", "a/b", "é", "x" * 129])
    def test_an_illegal_source_is_refused_and_nothing_is_stored(self, store: FrameStore, source: str) -> None:
        with pytest.raises(InvalidKeyError):
            store.put_many([camera_frame(0), Frame("k", b"data", source=source)])

        assert list(store.scan()) == []

    def test_keys_are_compared_byte_for_byte(self, store: FrameStore) -> None:
        keys = ["a", "A", "a ", " a", "á", "a\u0301", "ß", "ss", "\x00", "a\x00", "a\n", "%", "_", "\\", "'", '"', "🎥"]
        keys += ["..", ".", "a/../b", "a//b", "a%2Fb", "a+b", "a?b", "a#b"]
        store.put_many([Frame(key, key.encode()) for key in keys])

        assert [plain_bytes(frame) for frame in store.get_many(keys)] == [key.encode() for key in keys]
        assert sorted(store.scan()) == sorted(keys)

    @pytest.mark.parametrize("key", ["k" * MAX_KEY_BYTES, "é" * (MAX_KEY_BYTES // 2), "a/b/c d?e=f&g#h"])
    def test_any_other_key_is_legal(self, store: FrameStore, key: str) -> None:
        store.put(Frame(key, b"data"))

        assert plain_bytes(store.get(key)) == b"data"
        assert list(store.scan()) == [key]
        assert store.delete(key)

    def test_a_key_of_the_older_form_belongs_to_its_camera(self, store: FrameStore) -> None:
        key = "frame:pharma-ng:0:01_14_2024-17_45_00"
        parsed = parse_key(key)
        assert parsed is not None
        store.put(Frame(key, b"old", source=source_of(key), captured_at=parsed.captured_at))

        latest = store.latest("pharma-ng:0")

        assert plain_bytes(store.get(key)) == b"old"
        assert latest is not None
        assert (latest.key, latest.source, latest.captured_at) == (key, "pharma-ng:0", parsed.captured_at)
        assert store.sources() == ["pharma-ng:0"]

    def test_a_camera_key_put_without_a_source_belongs_to_its_camera(self, store: FrameStore) -> None:
        frame = camera_frame()
        store.put(Frame(frame.key, b"image", captured_at=START))

        got, latest = store.get(frame.key), store.latest(SOURCE)

        assert got is not None
        assert got.source == SOURCE
        assert latest is not None
        assert latest.key == frame.key

    def test_a_key_of_any_form_may_be_given_to_a_source(self, store: FrameStore) -> None:
        frame = Frame("cam7?1?0__17__416x416", b"small", source="cam7?1?0", captured_at=START)
        store.put(frame)

        got, latest = store.get(frame.key, source="cam7?1?0"), store.latest("cam7?1?0")

        assert got is not None
        assert replace(got, data=b"small") == frame
        assert latest is not None
        assert latest.key == frame.key
        assert store.get_into(frame.key, bytearray(5), source="cam7?1?0") == 5
        assert store.delete(frame.key, source="cam7?1?0")
        assert store.latest("cam7?1?0") is None

    # Scanning.

    def test_scan_finds_the_keys_of_a_prefix(self, store: FrameStore) -> None:
        keys = [
            "a/1",
            "a/2",
            "a/é",
            "a/éa",
            "a/ê",
            "b/1",
            "a",
            "A/1",
            "a/*",
            "a/[1]",
            "a/?",
            "a/%",
            "a/_",
            "a/\U0010ffff",
        ]
        store.put_many([Frame(key, b"") for key in keys])

        for prefix in ["", "a/", "a/é", "a/*", "a/[", "a/?", "a/%", "a/_", "a\\", "b", "c", "a/\U0010ffff"]:
            assert sorted(store.scan(prefix)) == sorted(key for key in keys if key.startswith(prefix)), prefix

    def test_scan_of_one_source_leaves_the_others_out(self, store: FrameStore) -> None:
        store.put_many([camera_frame(n, camera=camera) for n in range(3) for camera in ("gate", "gate2", "Gate")])
        expected = sorted(camera_frame(n).key for n in range(3))

        assert sorted(store.scan(source=SOURCE)) == expected
        assert sorted(store.scan("frame:plant-a:gate", source=SOURCE)) == expected
        assert sorted(store.scan("frame:plant-a:gate2", source=SOURCE)) == []
        assert list(store.scan(source="nobody")) == []

    def test_scan_goes_on_while_keys_are_deleted(self, store: FrameStore) -> None:
        keys = [f"k{n:04}" for n in range(self.many)]
        store.put_many([Frame(key, b"") for key in keys])
        seen: list[str] = []
        for key in store.scan("k"):
            seen.append(key)
            if len(seen) % 10 == 0:
                store.delete_many(seen[-10:])

        assert sorted(seen) == keys
        assert list(store.scan()) == []

    def test_sources_are_those_with_frames(self, store: FrameStore) -> None:
        assert store.sources() == []
        store.put_many([camera_frame(camera=camera) for camera in ("gate", "roof", "Gate")])
        assert store.sources() == ["plant-a:Gate", "plant-a:gate", "plant-a:roof"]

        store.delete(camera_frame(camera="roof").key)

        assert store.sources() == ["plant-a:Gate", "plant-a:gate"]

    # Time.

    def test_latest_is_the_frame_captured_last_however_late_others_come(self, store: FrameStore) -> None:
        assert store.latest(SOURCE) is None
        for seconds in (5.0, 9.0, 1.0, 8.999999):
            store.put(camera_frame(seconds, b"%f" % seconds))
        store.put(camera_frame(99, camera="other"))

        latest = store.latest(SOURCE)

        assert plain_bytes(latest) == b"9.000000"
        assert latest is not None
        assert latest.captured_at == START + timedelta(seconds=9)

    def test_nearest_is_the_frame_closest_in_time(self, store: FrameStore) -> None:
        store.put_many([camera_frame(n) for n in (0, 10, 20)])
        store.put(camera_frame(12, camera="other"))

        def nearest(seconds: float, tolerance: float | None = None) -> float | None:
            at = START + timedelta(seconds=seconds)
            bound = None if tolerance is None else timedelta(seconds=tolerance)
            frame = store.nearest(SOURCE, at, tolerance=bound)
            return None if frame is None else (frame.captured_at - START).total_seconds()

        assert nearest(-1000) == 0
        assert nearest(0) == 0
        assert nearest(4.999999) == 0
        assert nearest(5.000001) == 10
        assert nearest(14) == 10
        assert nearest(16) == 20
        assert nearest(1000) == 20
        assert nearest(12, tolerance=2) == 10
        assert nearest(12, tolerance=1.999999) is None
        assert nearest(18, tolerance=2) == 20
        assert nearest(17.999999, tolerance=2) is None
        assert nearest(10, tolerance=0) == 10

    def test_of_two_frames_equally_close_nearest_is_the_earlier(self, store: FrameStore) -> None:
        store.put_many([camera_frame(n) for n in (0, 10)])

        frame = store.nearest(SOURCE, START + timedelta(seconds=5))

        assert frame is not None
        assert frame.captured_at == START

    def test_nearest_of_a_source_without_frames_is_none(self, store: FrameStore) -> None:
        assert store.nearest("nobody", START) is None

    def test_keys_without_a_source_have_no_time_index(self, store: FrameStore) -> None:
        store.put(Frame("a plain value", b"123", captured_at=START))

        assert store.latest(NO_SOURCE) is None
        assert store.nearest(NO_SOURCE, START) is None
        assert list(store.range(NO_SOURCE, START, START + timedelta(minutes=1))) == []

    def test_range_is_half_open_and_in_order_of_capture(self, store: FrameStore) -> None:
        for n in (7, 3, 5, 1, 9, 4):
            store.put(camera_frame(n, patterned(n * 1000)))
        store.put(camera_frame(4, camera="other"))

        def captured(start: float, stop: float) -> list[float]:
            frames = store.range(SOURCE, START + timedelta(seconds=start), START + timedelta(seconds=stop))
            return [(frame.captured_at - START).total_seconds() for frame in frames]

        assert captured(3, 7) == [3, 4, 5]
        assert captured(3, 7.000001) == [3, 4, 5, 7]
        assert captured(3.000001, 7) == [4, 5]
        assert captured(-100, 100) == [1, 3, 4, 5, 7, 9]
        assert captured(5, 5) == []
        assert captured(7, 3) == []
        assert [frame.nbytes for frame in store.range(SOURCE, START, START + timedelta(seconds=4))] == [1000, 3000]

    def test_range_holds_frames_captured_at_the_same_moment(self, store: FrameStore) -> None:
        frames = [replace(camera_frame(n), captured_at=START) for n in range(300)]
        store.put_many(frames)

        got = [frame.key for frame in store.range(SOURCE, START, START + timedelta(microseconds=1))]

        assert sorted(got) == sorted(frame.key for frame in frames)

    def test_range_over_large_frames_holds_each_whole(self, store: FrameStore) -> None:
        for n in range(4):
            store.put(camera_frame(n, patterned(9 * MIB + n)))

        sizes: list[int] = []
        for frame in store.range(SOURCE, START, START + timedelta(minutes=1)):
            assert plain_bytes(frame) == patterned(9 * MIB + len(sizes))
            sizes.append(frame.nbytes)

        assert sizes == [9 * MIB + n for n in range(4)]

    # Time to live.

    def test_a_frame_is_gone_when_its_time_to_live_is_over(self, store: FrameStore) -> None:
        keeps, goes = camera_frame(0, b"keeps"), camera_frame(1, b"goes")
        assert store.put(keeps, ttl=KEEP)
        assert store.put(goes, ttl=0.2)

        until(lambda: store.get(goes.key) is None, "the frame expires")

        assert store.get_into(goes.key, bytearray(9)) is None
        assert store.get_many([goes.key, keeps.key])[0] is None
        assert store.delete(goes.key) is False
        assert plain_bytes(store.latest(SOURCE)) == b"keeps"
        assert plain_bytes(store.nearest(SOURCE, goes.captured_at)) == b"keeps"
        assert [frame.key for frame in store.range(SOURCE, START, START + timedelta(minutes=1))] == [keeps.key]
        assert list(store.scan("frame:")) == [keeps.key]
        assert plain_bytes(store.get(keeps.key)) == b"keeps"

    @pytest.mark.parametrize("ttl", [0, -1.0, float("nan"), -KEEP])
    def test_a_time_to_live_that_is_none_is_refused_and_nothing_is_stored(self, store: FrameStore, ttl: float) -> None:
        with pytest.raises(InvalidInputError):
            store.put(camera_frame(), ttl=ttl)
        assert list(store.scan()) == []

    def test_an_expired_frame_is_counted_once_as_a_drop(self, store: FrameStore) -> None:
        store.put(camera_frame(0), ttl=0.05)
        until(lambda: store.get(camera_frame(0).key) is None, "the frame expires")
        store.put(camera_frame(1), ttl=KEEP)

        until(lambda: store.stats(SOURCE).drops == {"expired": 1}, "the drop is counted")

        store.put(camera_frame(0), ttl=KEEP)
        assert store.stats(SOURCE) == SourceStats(count=2, bytes=10, drops={"expired": 1})

    def test_a_source_whose_frames_all_expired_is_gone(self, store: FrameStore) -> None:
        store.put(camera_frame(0), ttl=0.05)
        until(lambda: store.latest(SOURCE) is None, "the frame expires")
        until(lambda: store.sources() == [], "the source is gone")

        assert store.stats(SOURCE).count == 0
        assert store.stats(SOURCE).bytes == 0

    def test_overwriting_renews_the_time_to_live(self, store: FrameStore) -> None:
        store.put(camera_frame(0), ttl=0.3)
        store.put(camera_frame(0, b"kept"), ttl=KEEP)
        store.put(camera_frame(1), ttl=0.3)
        until(lambda: store.get(camera_frame(1).key) is None, "the other frame expires")

        assert plain_bytes(store.get(camera_frame(0).key)) == b"kept"
        assert plain_bytes(store.latest(SOURCE)) == b"kept"

    # Statistics.

    def test_stats_count_what_each_source_holds(self, store: FrameStore) -> None:
        assert store.stats(SOURCE) == SourceStats()
        store.put_many([camera_frame(n, patterned(n)) for n in range(10)])
        store.put(camera_frame(0, b"12345", camera="other"))

        assert store.stats(SOURCE) == SourceStats(count=10, bytes=45)
        assert store.stats("plant-a:other") == SourceStats(count=1, bytes=5)

        store.delete_many([camera_frame(n).key for n in (8, 9)])
        assert store.stats(SOURCE) == SourceStats(count=8, bytes=28)

    # Many at a time.

    @pytest.mark.parametrize("size", [100 * KIB, 9 * MIB])
    def test_readers_never_see_a_mix_of_two_writers_frames(self, store: FrameStore, size: int) -> None:
        """Each version is one byte repeated, of a length of its own, that its metadata repeat."""
        versions = [(n, size + n * KIB) for n in range(1, 7)]
        key = camera_frame().key
        store.put(replace(camera_frame(data=b"\1" * versions[0][1]), width=versions[0][1], height=1))
        writing = threading.Event()
        writing.set()

        def write(mine: list[tuple[int, int]]) -> None:
            for _ in range(2):
                for n, length in mine:
                    store.put(replace(camera_frame(data=bytes([n]) * length), width=length, height=n))

        def read() -> int:
            reads = 0
            room = bytearray(versions[-1][1])
            while writing.is_set() or reads == 0:
                frame = store.get(key)
                data = plain_bytes(frame)
                assert frame is not None
                assert (len(data), data[0]) == (frame.width, frame.height)
                assert data.count(data[0]) == len(data)
                read_bytes = store.get_into(key, room)
                assert read_bytes is not None
                assert room.count(room[0], 0, read_bytes) == read_bytes
                assert (room[0], read_bytes) in versions
                reads += 1
            return reads

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            try:
                writers = [pool.submit(write, versions[:3]), pool.submit(write, versions[3:])]
                for writer in writers:
                    writer.result()
            finally:
                writing.clear()
            assert all(reader.result() > 0 for reader in readers)

        assert store.stats(SOURCE).count == 1

    def test_writers_of_many_keys_at_once_lose_none(self, store: FrameStore) -> None:
        def write(writer: int) -> None:
            for n in range(0, 60, 10):
                store.put_many([camera_frame(n + m, b"%d" % writer, camera=f"cam{writer}") for m in range(10)])
                store.put_many([camera_frame(m, b"%d" % writer, camera="shared") for m in range(10)])

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(write, writer) for writer in range(4)]:
                done.result()

        assert [store.stats(f"plant-a:cam{writer}").count for writer in range(4)] == [60] * 4
        assert store.stats("plant-a:shared") == SourceStats(count=10, bytes=10)

    def test_a_store_is_closed_by_its_with_block(self, store: FrameStore) -> None:
        with store as same:
            same.put(Frame("k", b"data"))
            assert plain_bytes(same.get("k")) == b"data"

    def test_what_goes_wrong_is_an_error_of_framedb(self, store: FrameStore) -> None:
        with pytest.raises(FrameDBError):
            store.put(Frame("striped", memoryview(b"abcdef")[::2]))
        assert store.get("striped") is None
