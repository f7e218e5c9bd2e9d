"""A worker in a process of its own: takes one announcement, prints its key, and sits on it until it is killed.

python -m tests.contracts.holding_worker '{"control": {...}, "broker_url": ..., "hold": 0.5}'
"""

import json
import sys

from framedb.queueing.opening import open_queue
from framedb.resp import Endpoint


def main() -> None:
    """Runs until stdin ends, which it does when whoever started it is gone."""
    arguments = json.loads(sys.argv[1])
    control = Endpoint(**arguments.pop("control"))
    with open_queue(control, **arguments) as queue:
        delivery = queue.take(timeout=30)
        print(delivery.announcement.key if delivery else "", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
