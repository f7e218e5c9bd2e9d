"""Who is let in, health, reflection, ids, deadlines, ports, and an end in order."""

import logging
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from framedb.errors import PortInUseError
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from framedb.server.grpc import ObjectServer
from tests.contracts.frame_store import until
from tests.integration.object_service.conftest import Serve, Service


def stat(service: Service, *metadata: tuple[str, str | bytes]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.StatObject(pb.StatObjectRequest(key="nothing"), timeout=10, metadata=metadata)
    return caught.value


def trailing(answered: Any) -> dict[str, str]:
    return dict(answered.trailing_metadata())


def test_with_a_token_every_call_must_carry_it(serve: Serve) -> None:
    service = serve(token="secret")
    for given in ([], [("authorization", "Bearer wrong")], [("authorization", "secret")], [("token", "secret")]):
        error = stat(service, *given)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "authorization: Bearer" in str(error.details())
        assert "secret" not in str(error.details())
    assert stat(service, ("authorization", "Bearer secret")).code() is grpc.StatusCode.NOT_FOUND
    assert stat(service, ("authorization", "bearer  secret")).code() is grpc.StatusCode.NOT_FOUND


def test_an_upload_without_the_token_is_refused_before_its_data(serve: Serve) -> None:
    service = serve(token="secret")
    taken = 0

    def requests() -> Iterator[pb.PutObjectRequest]:
        nonlocal taken
        yield pb.PutObjectRequest(header=pb.PutObjectHeader(key="one", type="storage"))
        for _ in range(10_000):
            taken += 1
            yield pb.PutObjectRequest(data=bytes(1024 * 1024))

    with pytest.raises(grpc.RpcError) as caught:
        service.stub.PutObject(requests(), timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert taken < 1000


def test_health_needs_no_token_and_tells_when_the_server_stops(serve: Serve) -> None:
    service = serve(token="secret")
    health: Any = health_pb2_grpc.HealthStub(service.channel)
    for name in ("", "framedb.ObjectService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watched = iter(health.Watch(health_pb2.HealthCheckRequest(service="framedb.ObjectService"), timeout=30))
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    stopping = threading.Thread(target=service.server.stop, args=(2.0,))
    stopping.start()
    assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
    stopping.join()


def test_reflection_tells_every_call(service: Service) -> None:
    database = ProtoReflectionDescriptorDatabase(service.channel)
    assert "framedb.ObjectService" in database.get_services()
    told = {method.name for method in database.FindFileContainingSymbol("framedb.ObjectService").service[0].method}
    assert {"SetObject", "GetObject", "PutObject", "ReadObject", "PopItem"} <= told


def test_a_call_keeps_the_id_it_was_given_or_gets_one(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "framedb.access")
    given = trailing(stat(service, ("x-request-id", "mine-1")))
    assert given["x-request-id"] == "mine-1"
    assert given["x-framedb-error"] == "NotFoundError"
    made = trailing(stat(service, ("x-request-id", "not { legal")))["x-request-id"]
    assert made not in ("", "not { legal")
    _, call = service.stub.GetObject.with_call(pb.GetObjectRequest(key="nothing"), timeout=10)
    assert trailing(call)["x-request-id"]
    until(lambda: len([r for r in caplog.records if r.name == "framedb.access"]) == 3, "each call to be logged")
    logged = [(r.__dict__["request_id"], r.__dict__["status"]) for r in caplog.records if r.name == "framedb.access"]
    assert logged[:2] == [("mine-1", "NOT_FOUND"), (made, "NOT_FOUND")]
    assert logged[2][1] == "OK"


def test_a_fault_of_ours_is_internal_and_tells_nothing_but_an_id(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("the password is secret")

    monkeypatch.setattr(service.objects, "stat", fail)
    error = stat(service)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.details())
    assert "request id" in str(error.details())


def test_a_second_server_on_a_port_is_told_which_is_taken(service: Service) -> None:
    port = service.server.port
    with pytest.raises(PortInUseError, match=f"{port}.*--grpc-port"):
        ObjectServer(service.objects, port=port)


def test_a_server_that_stops_lets_a_call_finish(serve: Serve) -> None:
    service = serve()
    going_on = threading.Event()

    def requests() -> Iterator[pb.PutObjectRequest]:
        yield pb.PutObjectRequest(header=pb.PutObjectHeader(key="one", type="storage"))
        going_on.wait(30)
        yield pb.PutObjectRequest(data=b"data")
        yield pb.PutObjectRequest(end=pb.PutObjectEnd())

    upload = service.stub.PutObject.future(requests(), timeout=30)
    until(lambda: service.server.transferring == 1, "the upload to begin")
    stopping = threading.Thread(target=service.server.stop, args=(20.0,))
    stopping.start()
    with grpc.insecure_channel(service.server.address) as channel:
        refused = ObjectServiceStub(channel)

        def no_longer() -> bool:
            try:
                refused.GetObject(pb.GetObjectRequest(key="x"), timeout=1)
            except grpc.RpcError as exc:
                return exc.code() is not grpc.StatusCode.OK
            return False

        until(no_longer, "the server to take no more calls")
    going_on.set()
    assert upload.result().size == 4
    stopping.join()
    stored = service.objects.stat("one")
    assert stored is not None
    assert stored.size == 4


def test_tls_is_spoken_with_a_certificate(serve: Serve, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    service = serve(tls=(certificate.read_bytes(), key.read_bytes()), token="secret")
    trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
    with grpc.secure_channel(f"localhost:{service.server.port}", trusted) as channel:
        answer = ObjectServiceStub(channel).GetObject(
            pb.GetObjectRequest(key="nothing"), timeout=10, metadata=(("authorization", "Bearer secret"),)
        )
    assert "not found" in answer.message
