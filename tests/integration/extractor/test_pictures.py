"""Frames as pictures: whole, smaller, on a sheet, in a zip."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from framedb.media import image_size
from tests.integration.extraction.ffmpeg import make, run
from tests.integration.extractor.conftest import Service


def test_a_picture_is_the_file_that_was_extracted(service: Service, done: str) -> None:
    for frame in service.get(f"/frames/{done}")["frames"]:
        answer = service.request("GET", frame["url"])
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.data == Path(frame["frame_path"]).read_bytes()
        assert answer.headers["ETag"] == f'"{frame["checksum"]}"'


@pytest.mark.parametrize("width", [None, 64])
def test_a_picture_that_is_there_already_is_not_sent_again(service: Service, done: str, width: int | None) -> None:
    path = f"/frames/{done}/0.jpg" + (f"?width={width}" if width else "")
    etag = service.request("GET", path).headers["ETag"]
    again = service.request("GET", path, headers={"If-None-Match": etag})
    assert (again.status, again.data) == (304, b"")
    assert again.headers["ETag"] == etag
    assert service.request("GET", path, headers={"If-None-Match": '"other"'}).status == 200


def test_sizes_have_versions_of_their_own(service: Service, done: str) -> None:
    paths = (f"/frames/{done}/0.jpg", f"/frames/{done}/0.jpg?width=64", f"/frames/{done}/0.jpg?width=65")
    assert len({service.request("GET", path).headers["ETag"] for path in paths}) == 3


@pytest.mark.parametrize(("width", "size"), [(64, (64, 36)), (191, (191, 107)), (192, (192, 108)), (4000, (192, 108))])
def test_a_picture_is_made_smaller_and_never_larger(
    service: Service, done: str, width: int, size: tuple[int, int]
) -> None:
    data = service.request("GET", f"/frames/{done}/3.jpg?width={width}").data
    assert image_size(data) == size


def test_a_smaller_picture_comes_from_the_cache_the_second_time(service: Service, done: str) -> None:
    path = f"/frames/{done}/4.jpg?width=100"
    first = service.request("GET", path).data
    hits = service.extraction.cache.info().requests["memory", "hit"]
    assert service.request("GET", path).data == first
    assert service.extraction.cache.info().requests["memory", "hit"] == hits + 1


@pytest.mark.parametrize("query", ["width=0", "width=-1", "width=15", "width=8193", "width=x", "width=nan"])
def test_a_width_that_cannot_be_is_refused(service: Service, done: str, query: str) -> None:
    assert service.request("GET", f"/frames/{done}/0.jpg?{query}").status == 422


@pytest.mark.parametrize(("n", "status"), [("10", 404), ("2147483648", 422), ("-1", 422), ("x", 422)])
def test_a_frame_there_is_not_is_not_found(service: Service, done: str, n: str, status: int) -> None:
    answer = service.request("GET", f"/frames/{done}/{n}.jpg")
    assert answer.status == status
    assert answer.json()["detail"]


def test_a_turned_video_is_as_wide_as_it_is_shown(service: Service, videos: Path, tmp_path: Path) -> None:
    flat = make(tmp_path / "flat.mp4", "-c:v", "libx264", "-preset", "ultrafast", seconds=1.0)
    run("-i", str(flat), "-c", "copy", "-metadata:s:v:0", "rotate=90", str(videos / "turned.mp4"))
    job_id = service.completed("turned.mp4")
    for path, size in ((f"/frames/{job_id}/0.jpg", (108, 192)), (f"/frames/{job_id}/0.jpg?width=54", (54, 96))):
        with Image.open(io.BytesIO(service.request("GET", path).data)) as picture:
            assert picture.getexif()[0x0112] in (6, 8)
            assert picture.size == size[::-1]


def test_a_sheet_shows_all_frames_row_by_row(service: Service, done: str) -> None:
    answer = service.request("GET", f"/frames/{done}/sheet.jpg?columns=4&width=96")
    assert answer.headers["Content-Type"] == "image/jpeg"
    # Three rows of four, each 96 x 54, with 4 pixels between and around.
    assert image_size(answer.data) == (4 * 100 + 4, 3 * 58 + 4)
    with Image.open(io.BytesIO(answer.data)) as sheet:
        picture = Image.open(io.BytesIO(service.request("GET", f"/frames/{done}/5.jpg").data))
        wanted = picture.convert("L").resize((12, 8), Image.Resampling.BOX)
        shown = sheet.crop((104, 62, 200, 116)).convert("L").resize((12, 8), Image.Resampling.BOX)
        assert max(abs(a - b) for a, b in zip(wanted.tobytes(), shown.tobytes(), strict=True)) < 24
        empty = sheet.crop((310, 125, 400, 170)).convert("L").getextrema()
        assert empty == pytest.approx((32, 32), abs=4)


def test_a_sheet_is_of_so_many_frames_at_most_and_has_a_version(service: Service, done: str) -> None:
    path = f"/frames/{done}/sheet.jpg?columns=5&width=96&count=5"
    answer = service.request("GET", path)
    assert image_size(answer.data) == (504, 62)
    assert service.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]}).status == 304


def test_a_zip_has_every_frame_under_its_name(service: Service, done: str) -> None:
    answer = service.request("GET", f"/frames/{done}/frames.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{done}.zip"'
    frames = service.get(f"/frames/{done}")["frames"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [Path(frame["frame_path"]).name for frame in frames]
        for frame, name in zip(frames, archive.namelist(), strict=True):
            assert archive.read(name) == Path(frame["frame_path"]).read_bytes()


@pytest.mark.parametrize("name", ["0.jpg", "0.jpg?width=64", "sheet.jpg?width=64", "frames.zip"])
def test_head_is_answered_as_get_is_without_the_bytes(service: Service, done: str, name: str) -> None:
    head, get = (service.request(method, f"/frames/{done}/{name}") for method in ("HEAD", "GET"))
    assert (head.status, head.data) == (get.status, b"") == (200, b"")
    for header in ("Content-Type", "ETag", "Content-Length", "Content-Disposition", "Cache-Control"):
        assert head.headers.get(header) == get.headers.get(header), header
    if name != "frames.zip":
        assert head.headers["Content-Length"] == str(len(get.data))
        again = service.request("HEAD", f"/frames/{done}/{name}", headers={"If-None-Match": head.headers["ETag"]})
        assert (again.status, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["0.jpg", "sheet.jpg", "frames.zip"])
def test_head_of_what_is_not_there_is_not_found(service: Service, name: str) -> None:
    assert service.request("HEAD", f"/frames/some-uuid-here/{name}").status == 404


def test_a_job_without_frames_has_no_sheet_and_no_zip(idle: Service) -> None:
    job_id = idle.submit()
    for name in ("sheet.jpg", "frames.zip"):
        assert idle.get(f"/frames/{job_id}/{name}", 404) == {"detail": "No frames extracted yet"}
