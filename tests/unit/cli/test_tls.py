"""A certificate that no client could use is refused in one line, before anything is started."""

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framedb.cli import serving
from framedb.cli.main import program
from framedb.cli.tls import certificate_for, told
from framedb.config import Settings, read_settings
from framedb.errors import InvalidSettingError
from framedb.server.listening import bound
from tests.certificates import Authority, Shown

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that signs into the test's folder."""
    return Authority(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings without any certificate."""
    monkeypatch.chdir(tmp_path)
    for name in ("FRAMEDB_TLS_CERT", "FRAMEDB_TLS_KEY", "FRAMEDB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return read_settings()


def made_by_openssl(folder: Path, *options: str, key: str = "rsa:2048") -> Shown:
    shown = Shown(folder / "made-cert.pem", folder / "made-key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", key, "-nodes", "-keyout", shown.key, "-out", shown.cert, "-days", "1",
         "-subj", "/CN=localhost", *options],
        check=True, capture_output=True,
    )  # fmt: skip
    return shown


def encrypted(shown: Shown) -> Shown:
    key = shown.key.with_name("encrypted.pem")
    subprocess.run(
        ["openssl", "pkey", "-in", shown.key, "-aes256", "-passout", "pass:hunter2", "-out", key],
        check=True,
        capture_output=True,
    )
    return Shown(shown.cert, key)


def reversed_chain(shown: Shown) -> Shown:
    parts = re.findall(r"-----BEGIN.*?END CERTIFICATE-----\n", shown.cert.read_text(), re.DOTALL)
    assert len(parts) == 2
    shown.cert.write_text("".join(reversed(parts)))
    return shown


def damaged(path: Path) -> Path:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "!" + lines[1][1:], *lines[2:]]))
    return path


Makes = Callable[[Authority, Path], Shown]
UNUSABLE: dict[str, tuple[Makes, str]] = {
    "no certificate file": (
        lambda a, d: Shown(d / "none.pem", a.issue("localhost").key),
        "cannot read the certificate",
    ),
    "no key file": (lambda a, d: Shown(a.issue("localhost").cert, d / "none.pem"), "cannot read the private key"),
    "a folder": (lambda a, d: Shown(d, a.issue("localhost").key), "Is a directory"),
    "swapped": (lambda a, d: Shown((s := a.issue("localhost")).key, s.cert), "holds no certificate as PEM"),
    "no key in it": (lambda a, d: Shown((s := a.issue("localhost")).cert, s.cert), "holds no private key as PEM"),
    "another's key": (lambda a, d: Shown(a.issue("localhost").cert, a.issue("localhost").key), "does not belong to"),
    "chain upside down": (lambda a, d: reversed_chain(a.issue("localhost", through=True)), "certificate first"),
    "key with a password": (lambda a, d: encrypted(a.issue("localhost")), "is encrypted"),
    "damaged certificate": (lambda a, d: Shown(damaged((s := a.issue("h")).cert), s.key), "damaged"),
    "expired": (lambda a, d: a.issue("localhost", ends=NOW - timedelta(days=1)), r"expired at .* UTC: renew it"),
    "not yet valid": (lambda a, d: a.issue("localhost", begins=NOW + timedelta(days=1)), "valid only from"),
    "no names": (lambda a, d: made_by_openssl(d), "names no host"),
    "short key": (lambda a, d: made_by_openssl(d, key="rsa:512"), "key too small"),
    "for clients": (
        lambda a, d: made_by_openssl(
            d, "-addext", "subjectAltName=DNS:localhost", "-addext", "extendedKeyUsage=clientAuth"
        ),
        "purpose",
    ),
}


@pytest.mark.parametrize("why", UNUSABLE)
def test_what_no_client_could_use_is_refused_in_one_line(
    authority: Authority, settings: Settings, tmp_path: Path, why: str
) -> None:
    make, reason = UNUSABLE[why]
    shown = make(authority, tmp_path)
    with pytest.raises(InvalidSettingError, match=reason) as caught:
        certificate_for(shown.cert, shown.key, settings)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_one_without_the_other_is_refused(authority: Authority, settings: Settings) -> None:
    shown = authority.issue("localhost")
    with pytest.raises(InvalidSettingError, match="give --tls-key too"):
        certificate_for(shown.cert, None, settings)
    with pytest.raises(InvalidSettingError, match="give --tls-cert too"):
        certificate_for(None, shown.key, settings)


@pytest.mark.parametrize("through", [False, True])
def test_a_usable_one_is_handed_out_with_its_names_and_its_end(
    authority: Authority, settings: Settings, through: bool
) -> None:
    ends = (NOW + timedelta(days=30)).replace(microsecond=0)
    shown = authority.issue("localhost", "127.0.0.1", "frames.example", ends=ends, through=through)
    found = certificate_for(shown.cert, shown.key, settings)
    assert found is not None
    assert found.names == ("localhost", "127.0.0.1", "frames.example")
    assert found.valid_until == ends
    assert found.pem == (shown.cert.read_bytes(), shown.key.read_bytes())
    assert "PRIVATE" not in repr(found)


def test_a_self_signed_one_is_usable(settings: Settings, tmp_path: Path) -> None:
    shown = made_by_openssl(tmp_path, "-addext", "subjectAltName=DNS:localhost")
    shown.cert.write_text("# Schlüssel für localhost\n" + shown.cert.read_text())
    found = certificate_for(shown.cert, shown.key, settings)
    assert found is not None
    assert found.names == ("localhost",)


def test_the_settings_say_it_where_the_options_do_not(
    authority: Authority, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert certificate_for(None, None, settings) is None
    one, other = authority.issue("one.example"), authority.issue("other.example")
    monkeypatch.setenv("FRAMEDB_TLS_CERT", str(one.cert))
    monkeypatch.setenv("FRAMEDB_TLS_KEY", str(one.key))
    by_settings = certificate_for(None, None, read_settings())
    by_options = certificate_for(other.cert, other.key, read_settings())
    assert by_settings is not None
    assert by_options is not None
    assert (by_settings.names, by_options.names) == (("one.example",), ("other.example",))


@pytest.mark.parametrize(
    ("host", "names", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1", "localhost"], "127.0.0.1"),
        ("127.0.0.1", ["frames.example", "localhost"], "localhost"),
        ("0.0.0.0", ["*.example", "frames.example"], "frames.example"),
        ("0.0.0.0", ["frames.example", "127.0.0.1"], "127.0.0.1"),
        ("10.0.0.7", ["localhost", "frames.example"], "frames.example"),
        ("10.0.0.7", ["localhost"], "10.0.0.7"),
        ("::", ["::1"], "[::1]"),
    ],
)
def test_the_address_that_is_told_has_a_name_of_the_certificate(
    authority: Authority, settings: Settings, host: str, names: list[str], reached: str
) -> None:
    shown = authority.issue(*names)
    certificate = certificate_for(shown.cert, shown.key, settings)
    assert serving.grpc_url(host, 50051, certificate) == f"grpcs://{reached}:50051"
    with bound("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert serving.url_of(host, listening, certificate) == f"https://{reached}:{port}"


def test_whoever_serves_others_in_the_clear_is_told_so(authority: Authority, settings: Settings) -> None:
    shown = authority.issue("localhost")
    assert "--tls-cert" in told(None, beyond=True)["TLS"]
    assert told(None, beyond=False) == {}
    assert "localhost" in told(certificate_for(shown.cert, shown.key, settings), beyond=True)["TLS"]


@pytest.mark.parametrize("command", ["up", "serve config", "serve routing", "serve objects"])
def test_nothing_is_started_with_a_certificate_that_cannot_be_used(
    settings: Settings, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "runtime"
    options = ["--data-dir", str(folder), "--tls-cert", str(tmp_path / "none.pem"), "--tls-key", "none.pem"]
    done = CliRunner().invoke(program(), [*command.split(), *options])
    assert done.exit_code == 1
    assert done.output == f"error: cannot read the certificate {tmp_path / 'none.pem'}: No such file or directory\n"
    assert not folder.exists()
