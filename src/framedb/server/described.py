"""What OpenAPI says of a call: its answers, with an example of each success, and the failures that really occur."""

from typing import Any

from pydantic import BaseModel

from framedb.server.envelopes import (
    CLUSTERS,
    EXTRACTION,
    OWN,
    REGISTRY,
    ClusterFailure,
    Detail,
    Envelope,
    Failure,
    Problems,
    RegistryFailure,
)

_FAILURES: dict[Envelope, type[BaseModel]] = {
    CLUSTERS: ClusterFailure,
    REGISTRY: RegistryFailure,
    EXTRACTION: Detail,
    OWN: Failure,
}
_ALWAYS = (401, 403, 500, 503)
_WITH_INPUT = (400, 413)
_MEANING = {
    400: "What was given cannot be used; nothing was done.",
    401: "No valid token. Only where FRAMEDB_TOKEN is set.",
    403: "Not from this machine. Only where FRAMEDB_TOKEN is not set.",
    404: "What was named does not exist.",
    409: "It exists already, or somebody else is changing it.",
    413: "The body is too large.",
    500: "An unexpected failure: look for the request id in the log.",
    503: "A server does not answer, or did not start.",
    504: "A bounded wait ran out.",
    507: "There is no room.",
}


def answers(
    envelope: Envelope, model: Any, example: dict[str, Any], *more: int, takes_input: bool = True, status: int = 200
) -> dict[str, Any]:
    """Arguments for a route: the model of its success, an example of it, and the failures `more` beside those of every call."""
    return {
        "response_model": model,
        # What a handler did not say is not said: an absent `warning` is no `"warning": null`.
        "response_model_exclude_unset": True,
        "status_code": status,
        "responses": {
            status: {"content": {"application/json": {"example": example}}},
            **failures(envelope, *more, takes_input=takes_input),
        },
    }


def failures(envelope: Envelope, *more: int, takes_input: bool = True) -> dict[int | str, dict[str, Any]]:
    """OpenAPI of the failures that every call of an API may answer with, and of these."""
    known = sorted({*_ALWAYS, *more, *(_WITH_INPUT if takes_input else ())})
    told: dict[int | str, dict[str, Any]] = {
        each: {"model": _FAILURES[envelope], "description": _MEANING[each]} for each in known
    }
    if envelope.as_fastapi and takes_input:
        told[422] = {"model": Problems, "description": "A field is missing, or cannot be used; nothing was done."}
    return told
