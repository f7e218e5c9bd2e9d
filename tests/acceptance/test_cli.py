"""The command line: what people type, and what they get to read when it is wrong."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from framedb.client import FrameDB
from tests.acceptance.conftest import UpNode, until


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file of random bytes."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"\xff\xd8\xff" + os.urandom(50_000))
    return path


@pytest.mark.parametrize("where", [(), ("--durable",)], ids=["memory", "durable"])
def test_a_file_goes_in_and_comes_out(node: UpNode, picture: Path, tmp_path: Path, where: tuple[str, ...]) -> None:
    key = f"pictures/one-{len(where)}"
    assert node.cli("put", key, str(picture), *where).returncode == 0
    listed = json.loads(node.cli("ls", "pictures/", "--json").stdout)
    assert key in listed["keys"]

    got = node.cli("get", key, str(tmp_path / "copy.jpg"), "--json")

    assert (tmp_path / "copy.jpg").read_bytes() == picture.read_bytes()
    assert json.loads(got.stdout)["encoding"] == "jpeg"
    assert node.cli("rm", key).returncode == 0
    assert node.cli("get", key, "-").returncode == 1


def test_sources_are_listed_with_what_they_hold_and_have_dropped(node: UpNode, db: FrameDB) -> None:
    from tests.acceptance.test_node import camera_frame

    frame = camera_frame("listed")
    db.put(frame.key, frame)
    db.memory(frame.source).count_drops(frame.source, reason="slow", number=3)
    sources = json.loads(node.cli("ls", "--sources", "--json").stdout)
    assert sources[frame.source] == {"count": 1, "bytes": 4, "drops": {"slow": 3}}
    assert "3 slow" in node.cli("ls", "--sources").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "no/such/key", "-"], "there is nothing under the key 'no/such/key'"),
        (["rm", "no/such/key"], "there was nothing under the others"),
        (["put", "fdb:mine", "/etc/hostname"], "keys that begin with 'fdb:' are FrameDB's own"),
        (["put", "key", "no-such-file"], "cannot read no-such-file: No such file or directory"),
        (["put", "key", "/"], "cannot read /: Is a directory"),
        (["put", "key", "/etc/hostname", "--ttl", "-1"], "a time to live of -1.0 seconds is not possible"),
        (["put", "key", "/etc/hostname", "--ttl", "0", "--durable"], "a time to live of 0.0 seconds is not possible"),
        (["put", "x" * 1025, "/etc/hostname"], "the key has 1025 bytes"),
        (["get", "key", "/no/such/folder/file"], "nothing under the key"),
        (["camera", "add", "a:b", "gate", "rtsp://h/s"], "site name 'a:b' is not legal"),
        (["camera", "add", "a", "gate", "gopher://h/s"], "gopher"),
        (["camera", "remove", "no:camera"], "there is no camera no:camera"),
        (["work", "nothing"], "write it as module:function"),
        (["work", "no_such_module:f"], "cannot import 'no_such_module'"),
        (["work", "json:no_such"], "has no function 'no_such'"),
        (["capture", "no-such-video.mp4"], "no-such-video.mp4"),
        (["capture", "test://testsrc2", "--fps", "-1"], "-1"),
    ],
)
def test_a_mistake_is_one_clear_line(node: UpNode, arguments: list[str], said: str) -> None:
    result = node.cli(*arguments)
    assert result.returncode == 1, result
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_without_a_node_every_command_says_how_to_get_one(node: UpNode, picture: Path) -> None:
    for command in (["ls"], ["put", "key", str(picture)], ["camera", "list"], ["work", "json:loads", "--hold", "1"]):
        result = node.cli(*command, FRAMEDB_URL="http://127.0.0.1:9")
        assert result.returncode == 1
        assert "start one with `framedb up`, or set FRAMEDB_URL" in result.stderr


def test_settings_that_cannot_be_used_are_named_without_their_values(node: UpNode) -> None:
    result = node.cli("ls", FRAMEDB_CONNECT_TIMEOUT="secret-nonsense")
    assert result.returncode == 1
    assert "FRAMEDB_CONNECT_TIMEOUT" in result.stderr
    assert "secret-nonsense" not in result.stderr


def test_doctor_finds_a_healthy_node_well(node: UpNode) -> None:
    result = node.cli("doctor", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 0, told
    assert {check["name"] for check in told["checks"]} >= {"node", "frames", "durable frames", "frame queue"}


def test_doctor_says_what_is_wrong_without_a_node(node: UpNode) -> None:
    result = node.cli("doctor", FRAMEDB_URL="http://127.0.0.1:9")
    assert result.returncode == 1
    assert "framedb up" in result.stdout


def test_a_camera_is_added_captured_listed_and_removed(node: UpNode, db: FrameDB) -> None:
    added = node.cli("camera", "add", "plant-b", "gate", "test://testsrc2?size=320x240&rate=25", "--fps", "5")
    assert added.returncode == 0, added.stderr
    assert node.cli("camera", "add", "plant-b", "gate", "test://testsrc2").returncode == 1

    frame = until(lambda: db.latest("plant-b:gate"), "a frame of the camera")

    assert frame.encoding == "jpeg"
    assert (frame.width, frame.height) == (320, 240)
    until(lambda: _has_announced(node), "the camera to be reported running, with frames announced")
    assert node.cli("camera", "remove", "plant-b:gate").returncode == 0
    assert "plant-b:gate" not in node.cli("camera", "list").stdout


def test_a_password_in_a_cameras_url_is_never_shown(node: UpNode) -> None:
    url = "rtsp://admin:pa$$/w@rd@127.0.0.1:9/stream?token=t0psecret"
    added = node.cli("camera", "add", "plant-c", "gate", url)
    try:
        assert added.returncode == 0, added.stderr
        until(lambda: "reconnecting" in node.cli("camera", "list").stdout, "the camera to fail")
        shown = [added.stdout, node.cli("camera", "list").stdout, node.cli("camera", "list", "--json").stdout]
        shown += [path.read_text() for path in (node.data_dir / "logs").iterdir()] + [node.log.read_text()]
        for text in shown:
            assert "pa$$" not in text
            assert "w@rd" not in text
            assert "t0psecret" not in text
    finally:
        node.cli("camera", "remove", "plant-c:gate")


def test_every_command_has_help_with_an_example(node: UpNode) -> None:
    commands = ["up", "demo", "member", "capture", "work", "put", "get", "ls", "rm", "doctor"]
    for command in [[name] for name in commands] + [["camera", name] for name in ("add", "list", "remove")]:
        assert "Example: framedb " in node.cli(*command, "--help").stdout


def _has_announced(node: UpNode) -> bool:
    (camera,) = (each for each in _cameras(node) if each["source"] == "plant-b:gate")
    health = camera["health"]
    return bool(health["state"] == "running" and health["frames"])


def _cameras(node: UpNode) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(node.cli("camera", "list", "--json").stdout)
    return listed
