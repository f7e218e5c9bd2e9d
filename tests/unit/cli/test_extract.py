"""`framedb extract`, as a person runs it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framedb.cli.main import program
from tests.unit.media.clips import write_clip, write_sound


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("extract") / "clip.mp4", seconds=10, fps=30, gop=45, b_frames=2)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The command takes over SIGTERM and Ctrl-C, and here it runs in the tests' own process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def names(folder: Path) -> list[str]:
    return sorted((file.name for file in folder.iterdir()), key=lambda name: float(name.removesuffix(".jpg")))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--every", "5s"], ["0.00", "5.00"]),
        ([], ["0.00", "5.00"]),
        (["--every", "1", "--workers", "1"], [f"{second}.00" for second in range(10)]),
        (["--fps", "0.25"], ["0.00", "4.00", "8.00"]),
        (["--count", "4"], ["0.00", "2.50", "5.00", "7.50"]),
        (["--at", "1.5,0:03"], ["1.50", "3.00"]),
        (["--keyframes", "--stop", "4"], ["0.00", "1.50", "3.00"]),
        (["--all", "--start", "9.9"], ["9.90", "9.93", "9.97"]),
        (["--all", "--stop", "0.004", "--scenes"], None),
    ],
)
def test_the_frames_that_were_asked_for_are_written_and_named_for_their_times(
    options: list[str], expected: list[str] | None, clip: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(program(), ["extract", str(clip), *options, "--out", str(tmp_path / "out")])
    if expected is None:
        assert result.exit_code == 1
        assert not (tmp_path / "out").exists()
        return
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "out") == [f"{name}.jpg" for name in expected]


def test_programs_read_what_was_extracted_as_json(clip: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(program(), ["extract", str(clip), "--every", "2", "--out", str(tmp_path), "--json"])
    document = json.loads(result.stdout)
    assert (document["total"], document["lost"]) == (5, None)
    assert [frame["timestamp"] for frame in document["frames"]] == [0, 2, 4, 6, 8]
    assert all(Path(frame["frame_path"]).stat().st_size == frame["file_size"] for frame in document["frames"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--every", "0"], "more than 0"),
        (["--every", "-1"], "0 or more|more than 0"),
        (["--every", "nan"], "no time"),
        (["--every", "soon"], "no time"),
        (["--fps", "0"], "more than 0"),
        (["--at", "99"], "beyond the end"),
        (["--start", "1:00"], "beyond the end"),
        (["--fps", "1", "--all"], "--fps and --all do not go together"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(options: list[str], reason: str, clip: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(program(), ["extract", str(clip), *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert any(each in result.stderr for each in reason.split("|"))


def test_what_is_no_video_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").touch()
    write_sound(tmp_path / "sound.mp4")
    for name in ("text.mp4", "empty.mp4", "sound.mp4", "missing.mp4", "."):
        result = CliRunner().invoke(program(), ["extract", str(tmp_path / name), "--out", str(tmp_path / "out")])
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_cut_off_video_gives_what_is_left_and_a_warning(clip: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", seconds=8)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = CliRunner().invoke(program(), ["extract", str(cut), "--every", "1", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "cut off" in result.stderr
    assert 2 <= len(names(tmp_path / "out")) <= 6


def test_a_folder_that_cannot_be_made_is_one_clear_line(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(program(), ["extract", str(clip), "--out", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert "choose another --out" in result.stderr
