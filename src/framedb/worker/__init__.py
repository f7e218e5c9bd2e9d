"""Workers: a function is called with every frame.

Here: taking frames from the queue, holding them while the function works, acknowledging, releasing. Not here: how frames
and their keys travel (`client`, `queueing`).
"""

from framedb.worker.worker import Event, Handler, Worker, WorkerStats, load_handler

__all__ = ["Event", "Handler", "Worker", "WorkerStats", "load_handler"]
