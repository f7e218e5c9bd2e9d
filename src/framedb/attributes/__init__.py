"""The key-value store in process: attributes under (namespace, name), for small state that pipelines share.

Here: attributes and their values, the wire they have in common with Savant's, the store, its patterns, expiry and
subscriptions.
Not here: anything that listens or connects (`server/kvs`), the process-wide store and its functions (`kvs.py`).
"""
