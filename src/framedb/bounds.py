"""Bounds of the key-value store unless a setting says otherwise.

They stand apart from `config`, which gives their reasons: the store within a program needs no settings, and loads without them.
"""

KVS_MAX_ENTRIES = 1_000_000
"""Attributes it may hold."""
KVS_MAX_BYTES = 512 * 1024 * 1024
"""About the memory they may take."""
KVS_MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body of a request, which is held in memory whole."""
