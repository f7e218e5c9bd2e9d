"""A counter that the outside may watch: `framedb work counter:count`, in this folder.

Then, in another terminal, either of

    FRAMEDB_KVS_URL=http://127.0.0.1:8090 framedb kvs watch counter
    websocat ws://127.0.0.1:8090/kvs/events/meta
"""

import os

from framedb import Frame, kvs, webserver
from framedb.primitives import Attribute, AttributeValue

webserver.init_webserver(
    int(os.environ.get("COUNTER_PORT", "8090"))
)  # a thread of this process, for this machine alone


def count(frame: Frame) -> None:
    """Count the frames of each source. A source that is silent for a minute has no counter any more."""
    counter = kvs.get_attribute("counter", frame.source)
    so_far = counter.values[0].as_integer() if counter else None
    frames = AttributeValue.integer((so_far or 0) + 1)
    kvs.set_attributes([Attribute.persistent("counter", frame.source, [frames])], ttl=60_000)
