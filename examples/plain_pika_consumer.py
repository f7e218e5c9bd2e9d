"""A worker without FrameDB: `pika` takes keys from RabbitMQ, `redis` reads the frames. Needs a node with BROKER_URL.

BROKER_URL=amqp://guest:guest@127.0.0.1:5672/%2F python plain_pika_consumer.py runtime
"""

import json
import os
import sys
from pathlib import Path

import pika
import redis


def main(data_dir: Path) -> None:
    """Read each frame, work on it, acknowledge it, and only then release it."""
    node = json.loads((data_dir / "node.json").read_text())
    password = (data_dir / "secrets" / "client").read_text()
    frames = redis.Redis(port=node["redis_port"], password=password)

    connection = pika.BlockingConnection(pika.URLParameters(os.environ["BROKER_URL"]))
    channel = connection.channel()
    channel.queue_declare(queue="frame_queue", durable=True)  # no arguments: the same as everybody's
    channel.basic_qos(prefetch_count=1)

    for method, properties, body in channel.consume("frame_queue"):
        key = body.decode()
        source = properties.headers["source"]
        data = frames.get(key)
        if data is None:
            print(f"{key}: gone", flush=True)  # it expired, or somebody has worked on it: nothing to do
        else:
            print(f"{key}: {len(data)} bytes", flush=True)  # your work
        channel.basic_ack(method.delivery_tag)
        # Bytes and index row together. A plain DEL would do: then the row goes when somebody meets it, or at its expiry.
        frames.fcall("fdb_v1_remove", 1, key, source, "")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runtime"))
