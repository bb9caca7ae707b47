"""What can be asked of the API: each operation is declared once, and is both the route and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from starlette.routing import Route

from actors.console.asking import Endpoint, guarded


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of the path or the query."""

    name: str
    meaning: str
    place: str = "query"
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    name: str
    """Stable id."""
    endpoint: Endpoint
    summary: str
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of the request's body; empty: there is none."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of a good answer; empty: ``media`` is not JSON."""
    media: str = "application/json"
    refusals: tuple[int, ...] = ()

    def route(self, clean: Callable[[str], str]) -> Route:
        """``clean``: a text without what must not be shown over TCP."""
        return Route(self.path, guarded(self.endpoint, clean), methods=[self.method])


REFUSALS = MappingProxyType(
    {
        400: "The request is wrong; the error says how.",
        401: "A token is needed.",
        403: "Not from there, or not by this user.",
        404: "There is no such thing.",
        503: "Not now: too much to do, or the pipeline is not ready.",
        504: "The daemon did not answer in time.",
    }
)


def openapi(operations: Sequence[Operation], version: str, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path.replace(":int}", "}"), {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "MQI Communicator", "version": version},
        "paths": paths,
        "components": {
            "schemas": dict(schemas),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if operation.answer:
        good["content"] = {"application/json": {"schema": dict(operation.answer)}}
    else:
        good["content"] = {operation.media: {"schema": {"type": "string"}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refusals = {str(code): {"description": REFUSALS[code], "content": error} for code in operation.refusals}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {"200": good, **refusals},
    }
    if operation.parameters:
        described["parameters"] = [
            {
                "name": one.name,
                "in": one.place,
                "required": one.place == "path",
                "description": one.meaning,
                "schema": dict(one.schema),
            }
            for one in operation.parameters
        ]
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": dict(operation.body)}},
        }
    return described
