"""Redis clusters: what is wanted, and the drivers that make it so.

Here: the specification of a cluster and its members, the server processes of one machine, and the service that brings
what runs and what is registered together. Not here: which sources a cluster holds (`routing`, `placement`), or what their
frames look like (`stores`).
"""
