"""One key, wherever the bytes are.

Here: the one lookup that reader, writer, node and client share: memory at the source's cluster, then the durable tier.
Not here: how either keeps its bytes (`stores`), or who decides where a source lives (`routing`, `placement`).
"""
