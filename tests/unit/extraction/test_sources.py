"""Videos come from where they may, and nowhere else."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from framedb.errors import InvalidInputError
from framedb.extraction.addresses import addresses_of, is_listed
from framedb.extraction.sources import check_still_there, check_url, resolve, uploaded
from framedb.extraction.webhook import check_webhook, pause_after


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    """Two folders with videos, one that is not there, and secrets beside them."""
    for name in ("videos", "more", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"a")
    (tmp_path / "more" / "b.mp4").write_bytes(b"b")
    (tmp_path / "secret" / "c.mp4").write_bytes(b"c")
    (tmp_path / "videos" / "link.mp4").symlink_to(tmp_path / "secret" / "c.mp4")
    (tmp_path / "videos" / "folder").symlink_to(tmp_path / "secret")
    (tmp_path / "videos" / "inside.mp4").symlink_to(tmp_path / "videos" / "a.mp4")
    (tmp_path / "videos" / "circle.mp4").symlink_to(tmp_path / "videos" / "circle.mp4")
    return [tmp_path / "nowhere", tmp_path / "videos", tmp_path / "more"]


def found(text: str, roots: list[Path], **allowed: object) -> tuple[str, str]:
    """The kind and place of what a text means."""
    given = {"hosts": [], "allow_private": False, **allowed}
    source = resolve(text, roots=roots, **given)  # type: ignore[arg-type]
    return source.kind, source.place


def test_a_relative_path_is_tried_against_each_root(roots: list[Path]) -> None:
    assert found("a.mp4", roots) == ("file", str(roots[1] / "a.mp4"))
    assert found("b.mp4", roots) == ("file", str(roots[2] / "b.mp4"))
    assert found(str(roots[2] / "b.mp4"), roots) == ("file", str(roots[2] / "b.mp4"))
    assert found("inside.mp4", roots) == ("file", str(roots[1] / "a.mp4"))


@pytest.mark.parametrize(
    "text", ["../secret/c.mp4", "link.mp4", "folder/c.mp4", "SECRET", "/etc/passwd", "../secret/none.mp4", "/etc/none"]
)
def test_a_path_outside_the_roots_is_refused_the_same_whether_it_exists_or_not(text: str, roots: list[Path]) -> None:
    text = str(roots[0].parent / "secret" / "c.mp4") if text == "SECRET" else text
    with pytest.raises(InvalidInputError, match=r"is not in a folder that videos may come from .* or is not there"):
        found(text, roots)


@pytest.mark.parametrize("text", ["", "  ", "none.mp4", "circle.mp4", "a\0b", "x" * 5000, "x" * 300])
def test_what_is_nothing_is_refused(text: str, roots: list[Path]) -> None:
    with pytest.raises(InvalidInputError):
        found(text, roots)


def test_what_is_no_file_may_be_the_key_of_an_object(roots: list[Path]) -> None:
    assert found("upload-7", roots, is_object=lambda key: key == "upload-7") == ("object", "upload-7")
    assert found("a.mp4", roots, is_object=lambda key: True)[0] == "file"
    assert uploaded("key", "../../evil.mp4").owned


def test_a_file_that_became_a_link_to_elsewhere_is_not_read(roots: list[Path]) -> None:
    source = resolve("a.mp4", roots=roots, hosts=[], allow_private=False)
    check_still_there(source)
    (roots[1] / "a.mp4").unlink()
    (roots[1] / "a.mp4").symlink_to(roots[1].parent / "secret" / "c.mp4")
    with pytest.raises(InvalidInputError, match="submit it again"):
        check_still_there(source)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.mp4", "file:///etc/passwd", "ftp://cams.local/a", "gopher://x/", "http://[::1/", "http://h:99999/",
     "concat://a|b", "http:///a.mp4", "http://cams.local.evil.com/a", "http://evil.com\\@cams.local/a", "http://cams.local /a"],
)  # fmt: skip
def test_a_url_of_another_host_or_kind_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        resolve(url, roots=[], hosts=["cams.local"], allow_private=True)


def test_a_listed_host_on_this_machine_is_refused_unless_private_ones_are_allowed() -> None:
    url = "http://user:secret@localhost:8080/a.mp4"
    with pytest.raises(InvalidInputError, match="ALLOW_PRIVATE_HOSTS") as caught:
        resolve(url, roots=[], hosts=["localhost"], allow_private=False)
    assert "secret" not in str(caught.value)

    source = resolve(url, roots=[], hosts=["localhost"], allow_private=True)
    assert (source.kind, source.place) == ("url", url)
    assert "secret" not in source.name
    assert "secret" not in repr(source)


def test_rtsp_is_live_and_nothing_else_is() -> None:
    urls = ["RTSP://8.8.8.8/a", "rtsps://8.8.8.8/a", "http://8.8.8.8/rtsp", "https://8.8.8.8/a.mp4"]
    assert [resolve(url, roots=[], hosts=["8.8.8.8"], allow_private=False).live for url in urls] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not uploaded("rtsp://x", "rtsp://x").live


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
             "::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2130706433", "0x7f.1",
             "224.0.0.1"],
)  # fmt: skip
def test_no_spelling_of_a_private_address_gets_through(host: str) -> None:
    with pytest.raises(InvalidInputError):
        addresses_of(host, 80, allow_private=False)


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "0.0.0.0"])
def test_where_clouds_keep_credentials_is_never_asked(host: str) -> None:
    with pytest.raises(InvalidInputError):
        addresses_of(host, 80, allow_private=True)


def test_public_addresses_and_listed_names_are_allowed() -> None:
    assert addresses_of("8.8.8.8", 80, allow_private=False) == ["8.8.8.8"]
    assert check_url(urlsplit("https://1.1.1.1/a.mp4"), hosts=["1.1.1.1"], allow_private=False) == ["1.1.1.1"]
    assert is_listed("Cam1.Plant.example.", ["*.plant.example"])
    assert not is_listed("plant.example", ["*.plant.example"])
    assert not is_listed("notplant.example", ["plant.example"])


def test_an_address_is_looked_at_after_the_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of a public site that answers with an address of ours."""
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(InvalidInputError, match="private network"):
        resolve("http://videos.example/a.mp4", roots=[], hosts=["videos.example"], allow_private=False)


@pytest.mark.parametrize(
    "url", ["", "ftp://x/", "http://", "http://127.0.0.1/", "http://h:99999/", "https://localhost/x", "x"]
)
def test_a_webhook_that_cannot_or_may_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        check_webhook(url, allow_private=False)


def test_webhooks_are_tried_at_growing_distances() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, 6)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 5
    assert sum(pauses) < 2 * 3600
