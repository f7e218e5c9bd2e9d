"""The frame queue: how the keys of frames reach workers.

Here: the seam (`base`) and its backends, Valkey Streams and RabbitMQ. Not here: the frames themselves (`stores`), or what
a worker does with them (`worker`).
"""
