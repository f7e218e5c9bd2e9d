"""The key-value store over HTTP and WebSocket, as Savant's clients speak to it.

Here: a bare ASGI application on a store that it is given, and the server that runs it on a thread of its own.
Not here: what attributes are and how they are kept (`attributes/`); which store is served (`webserver.py`, `cli/`).
"""
