"""Certificates for tests, of an authority that nothing else trusts."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Shown:
    """What a server shows, and its key."""

    cert: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        """As options of a command."""
        return "--tls-cert", str(self.cert), "--tls-key", str(self.key)


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signer = trustme.CA()
        self.file = folder / "authority.pem"
        self._signer.cert_pem.write_to_path(self.file)

    def issue(
        self, *names: str, begins: datetime | None = None, ends: datetime | None = None, through: bool = False
    ) -> Shown:
        """A certificate for these names; `through` an authority in between, whose certificate is in the chain."""
        signer = self._signer.create_child_ca() if through else self._signer
        issued = signer.issue_cert(*names, not_before=begins, not_after=ends)
        number = len(list(self._folder.iterdir()))
        shown = Shown(self._folder / f"{number}-cert.pem", self._folder / f"{number}-key.pem")
        shown.cert.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(shown.key)
        return shown
