"""The key-value store over HTTP and WebSocket, held against its contract by clients from elsewhere."""
