"""A real RabbitMQ, from Debian's package, with an Erlang port mapper of its own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pika
import pytest

from . import free_port

USER = "rabbitmq"
_STARTS_WITHIN = 60.0


class RabbitMQ:
    """One broker that can be stopped, killed and started again with its data, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._node = f"framedb-{secrets.token_hex(4)}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._mapper_port = free_port()
        self._environment = {
            **os.environ,
            "HOME": str(folder),  # the Erlang cookie lies here, so that no other broker's is used or made
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    @property
    def url(self) -> str:
        """Of the default vhost, as the user every fresh broker has."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        """Start it, and return once it takes connections."""
        log = self._folder / "output.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("rabbitmq-server"),
                env=self._environment,
                cwd=self._folder,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"RabbitMQ did not start: {log.read_text()}")
            time.sleep(0.1)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        """Signal its process group, and return when all of it is gone."""
        if self._process is None:
            return
        group, deadline = self._process.pid, time.monotonic() + 30
        with suppress(ProcessLookupError):
            os.killpg(group, how)
            self._process.wait(30)
            while True:
                os.killpg(group, 0)
                if time.monotonic() > deadline:
                    os.killpg(group, signal.SIGKILL)
                time.sleep(0.05)
        self._process.wait(10)
        self._process = None

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints."""
        done = subprocess.run(
            [*self._command("rabbitmqctl"), "-q", "-n", self._node, *arguments],
            env=self._environment,
            cwd=self._folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def stop_mapper(self) -> None:
        """Stop the port mapper that came with the broker; no other uses its port."""
        subprocess.run(
            ["epmd", "-port", str(self._mapper_port), "-kill"],
            env=self._environment,
            check=False,
            capture_output=True,
        )

    def _command(self, program: str) -> list[str]:
        # Debian's wrapper in /usr/sbin drops the environment's home and needs `su`; this is what it runs.
        path = f"/usr/lib/rabbitmq/bin/{program}"
        if os.geteuid() == 0:
            return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", path]
        return [path]

    def _answers(self) -> bool:
        """Whether it greets: the port may be open before that."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
            probe.sendall(b"AMQP\x00\x00\x09\x01")
            return len(probe.recv(1)) == 1
        return False


@contextmanager
def running_rabbitmq() -> Iterator[RabbitMQ]:
    """A broker with an empty data folder that goes with it."""
    # Not one of pytest's folders: those are its user's alone, and the broker has to pass through to its own.
    folder = Path(tempfile.mkdtemp(prefix="framedb-rabbitmq-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        broker = RabbitMQ(folder)
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()
            broker.stop_mapper()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """One broker for the session: use `amqp_url` for an empty vhost."""
    with running_rabbitmq() as broker:
        yield broker


@pytest.fixture
def amqp_url(rabbitmq: RabbitMQ) -> str:
    """The URL of a running broker where nobody has declared the frame queue yet."""
    if not rabbitmq.running:
        rabbitmq.start()
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq.url))) as connection:
        channel = connection.channel()
        for queue in ("frame_queue", "frame_queue.dead"):
            channel.queue_delete(queue)
    return rabbitmq.url
