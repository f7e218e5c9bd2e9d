"""The gRPC face of the object service.

Here: decoding calls, calling `tiering.Objects`, encoding answers, who is let in, and how much goes on at once. Not here: any
rule about objects.
"""

from framedb.server.grpc.serving import ObjectServer

__all__ = ["ObjectServer"]
