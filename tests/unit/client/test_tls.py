"""What a client says when TLS is the matter, and before a token travels readable."""

import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from framedb.client.http import NodeClient
from framedb.compat.calls import ServiceCalls
from framedb.compat.channel import Address
from framedb.compat.objects_api import ObjectsAPI
from framedb.config import read_settings
from framedb.errors import InvalidSettingError, NodeUnavailableError
from tests.certificates import Authority, Shown


class Answers(BaseHTTPRequestHandler):
    """Answers everything with an empty object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that go away."""

    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(shown: Shown | None) -> Iterator[str]:
    """A service over TLS, or in the clear: its `host:port`."""
    with Quiet(("127.0.0.1", 0), Answers) as server:
        if shown is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(shown.cert, shown.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that signs for this machine."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def safe(authority: Authority) -> Iterator[str]:
    """A service over TLS."""
    with served(authority.issue("127.0.0.1")) as place:
        yield place


def failing(url: str, ca: Path | None) -> str:
    client = NodeClient(url, tls_ca=ca)
    with pytest.raises(NodeUnavailableError) as caught:
        client.json("GET", "/")
    client.close()
    return str(caught.value)


def test_a_service_is_spoken_to_whose_authority_is_trusted(authority: Authority, safe: str) -> None:
    client = NodeClient(f"https://{safe}", tls_ca=authority.file)
    assert client.json("GET", "/") == {}
    client.close()


@pytest.mark.parametrize("others", [True, False])
def test_one_whose_authority_is_not_trusted_is_refused_in_one_line(tmp_path: Path, safe: str, others: bool) -> None:
    why = failing(f"https://{safe}", Authority(tmp_path).file if others else None)
    assert "is not trusted" in why
    assert "FRAMEDB_TLS_CA" in why
    assert "\n" not in why


def test_one_with_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    with served(authority.issue("frames.example")) as place:
        assert "is for another name" in failing(f"https://{place}", authority.file)


def test_one_whose_certificate_has_expired_is_refused(authority: Authority) -> None:
    with served(authority.issue("127.0.0.1", ends=datetime.now(UTC) - timedelta(days=1))) as place:
        assert (
            failing(f"https://{place}", authority.file)
            == f"the certificate of https://{place} has expired: renew it there"
        )


def test_http_to_a_service_that_speaks_tls_is_told_to_write_https(safe: str) -> None:
    assert failing(f"http://{safe}", None) == f"http://{safe} speaks TLS: write https://"


def test_https_to_a_service_that_speaks_no_tls_is_told_to_write_http(authority: Authority) -> None:
    with served(None) as place:
        assert failing(f"https://{place}", authority.file).startswith(f"https://{place} speaks no TLS: write http://")


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("no certificate", "holds no certificate")])
def test_a_file_of_authorities_that_holds_none_is_told(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidSettingError, match=f"FRAMEDB_TLS_CA.*{why}"):
        NodeClient("https://127.0.0.1:1", tls_ca=path)


def test_programs_of_earlier_deployments_say_the_same(
    authority: Authority, safe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(url: str) -> tuple[int, dict[str, object]]:
        calls = ServiceCalls(url)
        status, answer = calls.ask("GET", "/")
        calls.close()
        return status, answer

    monkeypatch.setenv("FRAMEDB_TLS_CA", str(authority.file))
    assert asked(f"https://{safe}") == (200, {})
    assert asked(f"http://{safe}") == (503, {"success": False, "error": f"http://{safe} speaks TLS: write https://"})
    monkeypatch.setenv("FRAMEDB_TLS_CA", str(Authority(tmp_path).file))
    assert "FRAMEDB_TLS_CA" in str(asked(f"https://{safe}"))


def test_addresses_of_object_services_say_whether_it_is_tls() -> None:
    for text, target, tls in (
        ("frames:50051", "frames:50051", False),
        ("grpc://frames:50051", "frames:50051", False),
        ("http://frames:50051/", "frames:50051", False),
        ("grpcs://frames:50051", "frames:50051", True),
        ("https://[::1]:50051", "[::1]:50051", True),
    ):
        assert Address.parse(text) == Address(target, tls)
    with pytest.raises(InvalidSettingError, match="give host:port"):
        ObjectsAPI("redis://:hunter2@frames")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_token_goes_to_another_machine_unencrypted_only_with_a_word_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens(url: str) -> None:
        NodeClient(url, token="hunter2").close()

    for quiet in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://quiet.example"):
        opens(quiet)
    NodeClient("http://none.example").close()
    assert warnings_of(caplog) == []
    opens("http://loud.example:8000")
    opens("http://loud.example:8000")
    monkeypatch.setenv("FRAMEDB_TOKEN", "hunter2")
    ObjectsAPI("objects.example:50051").close()
    ServiceCalls("http://routing.example").close()
    said = warnings_of(caplog)
    assert [next(name for name in ("loud", "objects", "routing") if name in line) for line in said] == [
        "loud",
        "objects",
        "routing",
    ]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    monkeypatch.setenv("FRAMEDB_TOKEN", empty)
    assert read_settings().token is None


def test_the_line_end_that_a_file_brings_along_is_no_part_of_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_TOKEN", "hunter2\n")
    token = read_settings().token
    assert token is not None
    assert token.get_secret_value() == "hunter2"


def test_a_token_that_fits_no_header_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_TOKEN", "hünter2")
    with pytest.raises(InvalidSettingError, match="FRAMEDB_TOKEN: a token is of printable ASCII") as caught:
        read_settings()
    assert "nter2" not in str(caught.value)
