"""The frame queue: how the keys of frames reach workers.

Here: the seam (`base`) and its backends, Valkey Streams (`streams`) and RabbitMQ (`amqp`), and the choice between them
(`opening`). `import kombu` is said here. Not here: the frames themselves (`stores`), or what a worker does with them
(`worker`).
"""
