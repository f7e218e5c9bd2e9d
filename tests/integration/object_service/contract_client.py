"""A program that knows the contract and nothing of FrameDB: `python contract_client.py ADDRESS`, beside generated code.

It writes and reads one object of each type, and prints what it was answered.
"""

import json
import sys

import contract_pb2
import contract_pb2_grpc
import grpc

WRITTEN = (
    ("in-memory", "mem-db-1", "sensor/1"),
    ("storage", "storage-db-1", "log/1"),
    ("stream", "mem-db-1", "detections"),
)


def main() -> None:
    """Write, read, and print."""
    answers = {}
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = contract_pb2_grpc.ObjectServiceStub(channel)
        for kind, framedb_id, key in WRITTEN:
            written = contract_pb2.Object(
                key=key, framedb_id=framedb_id, data=kind.encode() * 1000, metadata='{"made": "by hand"}', type=kind
            )
            put = stub.SetObject(contract_pb2.SetObjectRequest(object=written), timeout=10)
            got = stub.GetObject(contract_pb2.GetObjectRequest(key=key), timeout=10)
            again = stub.GetObject(contract_pb2.GetObjectRequest(key=key), timeout=10)
            answers[kind] = {
                "success": put.success,
                "key": put.key,
                "message": put.message,
                "same": got.found and got.object.data == written.data and got.object.type == kind,
                "metadata": json.loads(got.object.metadata or "{}"),
                "again": again.found,
                "again_message": again.message,
            }
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
