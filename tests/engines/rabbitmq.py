"""To be filled: rabbitmq."""
