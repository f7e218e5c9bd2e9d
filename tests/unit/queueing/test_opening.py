"""The URL chooses the backend, before any server is asked."""

import subprocess
import sys

import pytest

from framedb.errors import InvalidSettingError
from framedb.queueing.amqp import AMQPQueue
from framedb.queueing.opening import open_queue
from framedb.queueing.streams import StreamsQueue
from framedb.resp import Endpoint

NOWHERE = Endpoint("127.0.0.1", 1)


def test_without_a_broker_the_queue_is_on_the_control_server() -> None:
    with open_queue(NOWHERE) as queue:
        assert isinstance(queue, StreamsQueue)


@pytest.mark.parametrize("url", ["amqp://u:p@127.0.0.1:1/", "amqps://u:p@127.0.0.1:1/vhost"])
def test_an_amqp_url_means_rabbitmq(url: str) -> None:
    with open_queue(NOWHERE, broker_url=url) as queue:
        assert isinstance(queue, AMQPQueue)


@pytest.mark.parametrize("url", ["redis://u:hidden@127.0.0.1:1/0", "http://u:hidden@127.0.0.1", "u:hidden@rabbit"])
def test_any_other_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(InvalidSettingError, match="amqp://") as caught:
        open_queue(NOWHERE, broker_url=url)
    assert "hidden" not in str(caught.value)


def test_streams_do_without_the_amqp_library() -> None:
    program = (
        "import sys; sys.modules['kombu'] = None\n"
        "from framedb.errors import InvalidSettingError\n"
        "from framedb.queueing.opening import open_queue\n"
        "from framedb.resp import Endpoint\n"
        "open_queue(Endpoint('127.0.0.1', 1)).close()\n"
        "try:\n    open_queue(Endpoint('127.0.0.1', 1), broker_url='amqp://127.0.0.1')\n"
        "except InvalidSettingError as exc:\n    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert "framedb[queue]" in done.stdout
