"""The requests of the endpoint's fuzz (`benchmarks/serve.py fuzz`)."""

from __future__ import annotations

import json
import random
import re
from typing import Any


class Fuzz:
    """Requests that fit the document, nearly fit it, or are noise."""

    def __init__(self, document: dict[str, Any], seed: int, model: str) -> None:
        self._chance = random.Random(seed)
        self._document = document
        self._schemas = document["components"]["schemas"]
        self._model = model

    def request(self) -> tuple[str, str, bytes, dict[str, str]]:
        """Method, path, body and headers."""
        chance = self._chance
        paths, asking = self._document["paths"], chance.random() < 0.7
        path = chance.choice([path for path in paths if ("post" in paths[path]) == asking])
        ((method, operation),) = self._document["paths"][path].items()
        path = re.sub(r"\{\w+\}", lambda _: chance.choice([self._model, "x", "%00", "..%2f", "é" * 9, "a/b"]), path)
        headers = {"Content-Type": "application/json"}
        if chance.random() < 0.1:
            headers[chance.choice(["Idempotency-Key", "Authorization", "Origin", "X-Y"])] = chance.choice(
                ["", "a", "b" * 300]
            )
        if chance.random() < 0.03:
            method = chance.choice(["put", "delete", "patch", "options", "head", "get", "post"])
        if "requestBody" not in operation:
            return method, path, b"", headers
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        value = self._value(schema, 0)
        if chance.random() < 0.6 and isinstance(value, dict):
            value = self._sensible(path, value)
        body = json.dumps(value).encode()
        if chance.random() < 0.05:
            body = bytearray(body)
            for _ in range(chance.randint(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
        return method, path, bytes(body), headers

    def _sensible(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        """The same with what it needs to be answered, and a random rest."""
        chance, words = self._chance, self._text()
        kept = {name: item for name, item in value.items() if chance.random() < 0.15}
        asked = {"messages": [{"role": "user", "content": words}]} if "chat" in path else {}
        asked |= {"prompt": words} if path == "/v1/completions" else {"input": words} if "responses" in path else {}
        cheap = {"tertulia": {"paths": chance.randint(1, 3), **self._settings()}}
        return {"model": f"{chance.choice(['leap', 'vote', 'one'])}/{self._model}", **asked, **cheap, **kept}

    def _settings(self) -> dict[str, Any]:
        chance = self._chance
        names = ["budget", "every", "answer_kind", "frame", "vote", "language", "settle", "words", "meet_at", "tongues"]
        names += ["method", "router", "control", "summaries", "mode", "thinking", "layers", "x", "stream_paths", "seed"]
        values = ["math", "choice", "free", "digest", "judged", "sure", "de", "sw", "plain", "paper", "moa", "longer"]
        values += [
            "quotes",
            "board",
            "written",
            "aside",
            "off",
            "echo",
            "leap-single",
            "all",
            True,
            None,
            -1,
            0,
            0.5,
            64,
        ]
        return {
            chance.choice(names): chance.choice([*values, [64], self._noise(1)]) for _ in range(chance.randint(0, 2))
        }

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        chance = self._chance
        if chance.random() < 0.04 or depth > 6:
            return self._noise(depth)
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].rpartition("/")[2]], depth + 1)
        for either in ("anyOf", "oneOf"):
            if either in schema:
                return self._value(chance.choice(schema[either]), depth)
        if "const" in schema or "enum" in schema:
            return schema.get("const", chance.choice(schema.get("enum", [None])))
        match schema.get("type"):
            case "object":
                given = schema.get("properties", {})
                needed = schema.get("required", [])
                names = [name for name in given if name in needed or chance.random() < 0.3]
                made = {name: self._value(given[name], depth + 1) for name in names if chance.random() > 0.02}
                return made | ({self._text(): self._noise(depth)} if chance.random() < 0.2 else {})
            case "array":
                return [self._value(schema.get("items", {}), depth + 1) for _ in range(chance.randint(0, 3))]
            case "string":
                return self._text()
            case "integer":
                return chance.choice([0, 1, 2, 3, 100, -1, 2**31, 2**63, 10**30])
            case "number":
                return chance.choice([0, 0.5, 1, 1.5, -1, 1e308, 10**30])
            case "boolean":
                return chance.random() < 0.5
            case "null":
                return None
        return self._noise(depth)

    def _text(self) -> str:
        texts = [
            "What is 4 + 5?",
            "",
            " ",
            "\0",
            "\ud800",
            "é" * 50,
            "<|end|></think>",
            "\u202e[31m",
            "user",
            "assistant",
        ]
        texts += ["9" * 400, "text", "input_text", "{question}", "a b c d", "\r\n\r\n", "</peers>", "٣ + ٤", "\\boxed{"]
        return self._chance.choice(texts)

    def _noise(self, depth: int) -> Any:
        chance = self._chance
        plain = [None, True, False, 0, -1, 1.5, 10**400 if chance.random() < 0.1 else 7, "", self._text(), [], {}]
        if depth < 4 and chance.random() < 0.3:
            return chance.choice([[self._noise(depth + 1)], {self._text(): self._noise(depth + 1)}])
        return chance.choice(plain)
