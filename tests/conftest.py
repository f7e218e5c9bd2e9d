"""Fixtures of every tier: the real engines."""

pytest_plugins = ["tests.engines.valkey", "tests.engines.mariadb", "tests.engines.rabbitmq", "tests.engines.rtsp"]
