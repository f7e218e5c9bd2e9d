"""What programs give by mistake: each client says so in its own words."""

from collections.abc import Iterator
from typing import Any

import pytest

from framedb import errors
from framedb.client import FrameDB as Database
from framedb_api.env import Env
from framedb_api.framedb import FrameDB
from framedb_writer_client import ObjectsAPI
from tests.acceptance.conftest import UpNode


@pytest.fixture
def api(node: UpNode) -> Iterator[ObjectsAPI]:
    with ObjectsAPI(str(node.told()["grpc"]).removeprefix("grpc://")) as client:
        yield client


@pytest.mark.parametrize("key", [b"\xff", 7, "bad \udcff"])
@pytest.mark.parametrize("name", ["write_to_memory", "write_to_persistent", "write_to_stream"])
def test_a_key_that_is_no_text_is_an_answer(api: ObjectsAPI, name: str, key: Any) -> None:
    answer = getattr(api, name)("local", b"x", key=key)
    assert not answer.success
    assert "key" in answer.message
    assert "codec" not in answer.message


@pytest.mark.parametrize("metadata", [[1], "x", [("a", 1)], {"a": float("nan")}])
def test_metadata_that_are_no_json_object_are_named(api: ObjectsAPI, metadata: Any) -> None:
    answer = api.write_to_memory("local", b"x", key="a", metadata=metadata)
    assert not answer.success
    assert "metadata" in answer.message
    assert "dictionary update sequence" not in answer.message
    assert "data bytes" not in answer.message


@pytest.mark.parametrize("data", ["text", None])
def test_data_that_are_no_bytes_are_named(api: ObjectsAPI, data: Any) -> None:
    answer = api.write_to_memory("local", data, key="a")
    assert not answer.success
    assert "metadata" not in answer.message


def test_an_instance_that_is_no_text_is_named(api: ObjectsAPI) -> None:
    answer = api.write_to_memory(5, b"x", key="a")  # type: ignore[arg-type]
    assert not answer.success
    assert "built-in operation" not in answer.message


@pytest.mark.parametrize("durable", [False, True])
def test_connect_refuses_keys_and_values_of_wrong_types_in_its_own_words(db: Database, durable: bool) -> None:
    wrong: list[tuple[Any, Any]] = [(b"\xff", b"x"), (7, b"x"), ("bad \udcff", b"x"), ("a", None), ("a", "text")]
    for key, value in wrong:
        with pytest.raises(errors.InvalidInputError):
            db.put(key, value, durable=durable)
    for key, _ in wrong[:3]:
        with pytest.raises(errors.InvalidKeyError):
            db.get(key)


@pytest.mark.parametrize("keys", [[b"\xff"], None, [7]])
def test_the_reader_answers_whatever_it_is_given(node: UpNode, keys: Any) -> None:
    with FrameDB({}, Env(routing_url=node.url)) as reader:
        read, why = reader.get_frames_from("cam", keys)
        assert not read
        assert why
