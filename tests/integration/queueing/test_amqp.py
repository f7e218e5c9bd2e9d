"""The frame queue on a real RabbitMQ."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pika
import pytest

from framedb.errors import QueueError, QueueFullError, QueueUnavailableError
from framedb.queueing.base import FRAME_QUEUE, Announcement, Bounds, FrameQueue
from framedb.queueing.opening import open_queue
from framedb.resp import Endpoint, Redis
from tests.contracts.frame_queue import (
    ENOUGH,
    FrameQueueContract,
    OpenQueue,
    QueueServer,
    announcement,
    announcements,
    drain,
    renewing,
    take,
    until_depth,
)
from tests.engines.rabbitmq import RabbitMQ
from tests.integration.queueing.conftest import ControlValkey


@contextmanager
def pika_channel(url: str) -> Iterator[Any]:
    """A channel of a client nobody here wrote."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        yield connection.channel()


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class AMQPServer(QueueServer):
    """RabbitMQ, and a Valkey for the counts."""

    def __init__(self, broker: RabbitMQ, control: Endpoint) -> None:
        self.broker = broker
        self.broker_url = broker.url
        self.control = control

    def stop(self) -> None:
        self.broker.stop()

    def kill(self) -> None:
        self.broker.kill()

    def start(self) -> None:
        self.broker.start()

    def disconnect_everyone(self) -> None:
        self.broker.ctl("close_all_connections", "told to by a test")


class TestAMQPQueue(FrameQueueContract):
    @pytest.fixture
    def server(self, rabbitmq: RabbitMQ, amqp_url: str, valkey: Endpoint, redis: Redis) -> QueueServer:
        return AMQPServer(rabbitmq, valkey)

    def test_what_leaves_no_hands_leaves_no_counts(self, opened: OpenQueue, redis: Redis) -> None:
        queue = opened(bounds=Bounds(max_length=1))
        queue.announce([announcement(0)])
        delivery = take(queue)
        name = f"fdb:deliveries:{announcement(0).key}"
        assert redis.get(name) == b"1"
        assert 0 < redis.ttl(name) <= 86_400
        queue.acknowledge(delivery)
        queue.announce([announcement(1)])
        queue.set_aside(take(queue), "no use")
        queue.announce([announcement(2)])
        queue.give_back(take(queue))
        until_depth(queue, 1)
        assert queue.announce([announcement(3)]).dropped == [announcement(2)]
        assert redis.keys("fdb:deliveries:*") == []

    def test_renewing_says_when_the_connection_was_lost(self, server: QueueServer, opened: OpenQueue) -> None:
        slow, other = opened(), opened()
        slow.announce([announcement(0)])
        delivery = take(slow)
        assert slow.renew(delivery)
        server.disconnect_everyone()
        again = take(other)
        assert again.attempt == 2
        assert not slow.renew(delivery)
        slow.acknowledge(delivery)  # cannot be told to the broker any more, and is no error: the work is done
        slow.give_back(delivery)
        other.acknowledge(again)
        assert other.take(timeout=0.2) is None

    def test_a_connection_lives_as_long_as_its_worker_renews(self, opened: OpenQueue) -> None:
        slow, other = opened(hold=1.0), opened(hold=1.0)
        slow.announce([announcement(0)])
        delivery = take(slow)
        with renewing(slow, delivery) as answers:
            # RabbitMQ gives a silent connection up after three heartbeats of a second.
            assert other.take(timeout=4.0) is None
        assert all(answers)

    def test_a_take_that_cannot_count_leaves_the_message_in_the_queue(
        self, server: QueueServer, control_valkey: ControlValkey, amqp_url: str, opened: OpenQueue
    ) -> None:
        control_valkey.stop()
        with open_queue(control_valkey.endpoint, broker_url=amqp_url) as queue:
            queue.announce([announcement(0)])
            for _ in range(7):
                with pytest.raises(QueueUnavailableError, match="control"):
                    queue.take(timeout=ENOUGH)
            delivery = take(opened())
            assert delivery.announcement == announcement(0)
            assert delivery.attempt == 1

    def test_a_queue_that_was_deleted_is_declared_again(self, opened: OpenQueue, amqp_url: str) -> None:
        publisher, worker = opened(), opened()
        publisher.announce([announcement(0)])
        worker.acknowledge(take(worker))
        with pika_channel(amqp_url) as channel:
            channel.queue_delete(FRAME_QUEUE)
        assert publisher.announce([announcement(1)]).accepted == [announcement(1)]
        assert take(worker).announcement == announcement(1)

    def test_a_waiting_worker_survives_the_deletion_of_the_queue(self, opened: OpenQueue, amqp_url: str) -> None:
        publisher, worker = opened(), opened()
        assert worker.take(timeout=0) is None
        with pika_channel(amqp_url) as channel, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(take, worker)
            until(lambda: channel.queue_declare(FRAME_QUEUE, passive=True).method.consumer_count == 1)
            channel.queue_delete(FRAME_QUEUE)
            publisher.announce([announcement(0)])
            assert waiting.result().announcement == announcement(0)

    # With everybody else's clients.

    def test_everybodys_plain_declaration_matches(self, queue: FrameQueue, amqp_url: str) -> None:
        queue.announce([announcement(0)])
        with pika_channel(amqp_url) as channel:
            declared = channel.queue_declare(queue="frame_queue", durable=True)
            assert declared.method.message_count == 1
            channel.queue_declare(queue="frame_queue.dead", durable=True)

    def test_a_plain_consumer_reads_the_key_as_the_body(self, queue: FrameQueue, amqp_url: str) -> None:
        announced = [announcement(0), Announcement("ключ", source="_", framedb_id="cluster-7")]
        queue.announce(announced)
        received: list[tuple[str, Any]] = []

        def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            received.append((body.decode(), properties))
            channel.basic_ack(delivery_tag=method.delivery_tag)
            if len(received) == 2:
                channel.stop_consuming()

        with pika_channel(amqp_url) as channel:
            channel.queue_declare(queue="frame_queue", durable=True)
            channel.basic_qos(prefetch_count=1)
            channel.basic_consume(queue="frame_queue", on_message_callback=callback)
            channel.start_consuming()
        assert [body for body, _ in received] == [one.key for one in announced]
        first, second = (properties for _, properties in received)
        assert (first.delivery_mode, first.content_type) == (2, "text/plain")
        assert first.headers == {
            "source": "plant-a:gate",
            "framedb_id": "local",
            "captured_at": "2026-11-22T04:57:21.123456+00:00",
        }
        assert second.headers["framedb_id"] == "cluster-7"
        assert queue.take(timeout=0) is None

    def test_a_plain_consumer_that_dies_leaves_its_frame_to_us(self, queue: FrameQueue, amqp_url: str) -> None:
        queue.announce([announcement(0)])
        with pika_channel(amqp_url) as channel:
            _, _, body = channel.basic_get("frame_queue")
            assert body == announcement(0).key.encode()
            assert queue.take(timeout=0) is None
        assert take(queue).announcement == announcement(0)

    def test_a_plain_publishers_key_is_understood(self, queue: FrameQueue, amqp_url: str) -> None:
        with pika_channel(amqp_url) as channel:
            channel.queue_declare(queue="frame_queue", durable=True)
            for body in (announcement(0).key, "any key"):
                channel.basic_publish(
                    exchange="", routing_key="frame_queue", body=body, properties=pika.BasicProperties(delivery_mode=2)
                )
        first, second = take(queue).announcement, take(queue).announcement
        assert (first.key, first.source, first.framedb_id) == (announcement(0).key, "plant-a:gate", "local")
        assert second == Announcement("any key", source="_")

    def test_headers_that_make_no_sense_are_passed_over(self, queue: FrameQueue, amqp_url: str) -> None:
        headers = {"source": 7, "framedb_id": None, "captured_at": "yesterday"}
        with pika_channel(amqp_url) as channel:
            channel.queue_declare(queue="frame_queue", durable=True)
            properties = pika.BasicProperties(headers=headers)
            channel.basic_publish("", "frame_queue", announcement(0).key, properties)
        assert take(queue).announcement == Announcement(announcement(0).key, source="plant-a:gate")

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"fdb:S:t", b"k" * 1025])
    def test_a_body_that_is_no_key_is_set_aside(self, queue: FrameQueue, amqp_url: str, body: bytes) -> None:
        with pika_channel(amqp_url) as channel:
            channel.queue_declare(queue="frame_queue", durable=True)
            channel.basic_publish("", "frame_queue", body, pika.BasicProperties(content_encoding="utf-8"))
        queue.announce([announcement(0)])
        assert take(queue).announcement == announcement(0)
        [letter] = queue.dead_letters()
        assert letter.announcement.key == body.decode(errors="replace")
        assert "key" in letter.reason

    # What the broker refuses.

    def test_a_queue_declared_otherwise_is_a_clear_error(self, opened: OpenQueue, amqp_url: str) -> None:
        with pika_channel(amqp_url) as channel:
            channel.queue_declare(queue="frame_queue", durable=True, arguments={"x-max-length": 10})
        with pytest.raises(QueueError, match="declared otherwise"):
            opened().announce([announcement(0)])

    def test_a_wrong_password_is_a_clear_error_that_does_not_show_it(
        self, rabbitmq: RabbitMQ, amqp_url: str, valkey: Endpoint
    ) -> None:
        url = amqp_url.replace("guest:guest", "guest:not-the-password")
        with open_queue(valkey, broker_url=url) as queue, pytest.raises(QueueError, match="refuses us") as caught:
            queue.announce([announcement(0)])
        assert "not-the-password" not in f"{caught.value}{caught.value.__cause__}"

    def test_a_policy_of_the_broker_turns_away_what_ours_would(self, rabbitmq: RabbitMQ, opened: OpenQueue) -> None:
        newest, wait = opened(bounds=Bounds(policy="drop-newest")), opened(bounds=Bounds(policy="wait"))
        newest.announce([announcement(0)])
        definition = json.dumps({"max-length": 2, "overflow": "reject-publish"})
        rabbitmq.ctl("set_policy", "frame-queue", "^frame_queue$", definition, "--apply-to", "queues")
        try:
            assert newest.announce([announcement(1)]).accepted == [announcement(1)]
            announced = newest.announce(announcements(2, first=2))
            assert (announced.accepted, announced.dropped) == ([], announcements(2, first=2))
            with pytest.raises(QueueFullError, match="policy"):
                wait.announce([announcement(4)])
        finally:
            rabbitmq.ctl("clear_policy", "frame-queue")
        assert drain(newest) == announcements(2)

    def test_workers_drain_the_queue_of_a_broker_that_is_out_of_memory(
        self, rabbitmq: RabbitMQ, amqp_url: str, valkey: Endpoint
    ) -> None:
        with (
            open_queue(valkey, broker_url=amqp_url, timeout=1.0) as publisher,
            open_queue(valkey, broker_url=amqp_url, timeout=1.0) as worker,
        ):
            publisher.announce(announcements(2))
            rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
            try:
                with pytest.raises(QueueFullError, match="blocks publishers"):
                    publisher.announce([announcement(2)])
                taken = [take(worker).announcement]
                assert worker.renew(take(worker))
            finally:
                rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
            assert publisher.announce([announcement(3)]).accepted == [announcement(3)]
            assert taken == [announcement(0)]
