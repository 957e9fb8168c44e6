"""What the endpoint can be asked, as an OpenAPI document made from the models that read requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from tertulia import __version__
from tertulia.server.asking import Chat, Common, Completion, Responses

REF = "#/components/schemas/{model}"
POSTS: dict[str, tuple[str, type[Common]]] = {
    "/v1/chat/completions": ("A circle answers a conversation", Chat),
    "/v1/completions": ("A circle answers a question", Completion),
    "/v1/responses": ("A circle answers, as the Responses API has it", Responses),
}
GETS = {
    "/v1/models": ("Names that can be asked for", "application/json"),
    "/v1/models/{model}": ("One of them", "application/json"),
    "/health": ("The server runs", "application/json"),
    "/ready": ("It takes requests, and its engine answers", "application/json"),
    "/metrics": ("For Prometheus", "text/plain"),
    "/circles": ("Circles, the newest first", "application/json"),
    "/circles/{circle}": ("The journal of a circle", "application/x-ndjson"),
    "/circles/{circle}/events": ("The same as it grows", "text/event-stream"),
}
ERRORS = {
    "400": "The request cannot be",
    "401": "No key, or one that is not known",
    "403": "From elsewhere, and there are no keys",
    "404": "There is none of this name",
    "409": "A request of the same Idempotency-Key is under way",
    "413": "The request is too long",
    "422": "The Idempotency-Key was used for another request",
    "429": "Too many circles; Retry-After says when to try again",
    "502": "The engine failed",
    "503": "The engine does not answer, or the server is about to end",
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


@cache
def document() -> dict[str, Any]:
    """The document."""
    bodies = [model for _, model in POSTS.values()]
    _, schemas = models_json_schema([(model, "validation") for model in bodies], ref_template=REF)
    paths: dict[str, Any] = {}
    for path, (about, kind) in GETS.items():
        named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        given = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
        paths[path] = {"get": {"summary": about, "parameters": given, "responses": _answers(kind)}}
    for path, (about, model) in POSTS.items():
        body = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}},
        }
        again = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}
        kinds = ("application/json", "text/event-stream")
        paths[path] = {
            "post": {"summary": about, "parameters": [again], "requestBody": body, "responses": _answers(*kinds)}
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tertulia", "version": __version__},
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas["$defs"], "Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _answers(*kinds: str) -> dict[str, Any]:
    failed = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    errors = {status: {"description": about, "content": failed} for status, about in ERRORS.items()}
    return {"200": {"description": "The answer", "content": {kind: {} for kind in kinds}}, **errors}
