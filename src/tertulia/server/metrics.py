"""What Prometheus is told: counts and times, and no word of a prompt."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tertulia.result import Result
from tertulia.server.turns import Turns

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800, 3600)
TOKENS = ("generated", "injected", "forked", "discarded", "cached", "prompt")


class Metrics:
    """The meters of one server."""

    def __init__(self, turns: Turns) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("tertulia_requests", "Requests answered", ("route", "status"), registry=registry)
        self.circles = Counter("tertulia_circles", "Circles that came to an end", ("state",), registry=registry)
        self.tokens = Counter("tertulia_tokens", "Tokens of all paths", ("kind",), registry=registry)
        self.first = Histogram(
            "tertulia_first_token_seconds", "From the request to its first token", buckets=SECONDS, registry=registry
        )
        self.seconds = Histogram(
            "tertulia_circle_seconds", "From the request to the verdict", buckets=SECONDS, registry=registry
        )
        running = Gauge("tertulia_circles_running", "Circles under way", registry=registry)
        waiting = Gauge("tertulia_circles_waiting", "Circles in the line", registry=registry)
        running.set_function(lambda: turns.running)
        waiting.set_function(lambda: turns.waiting)

    def count(self, result: Result) -> None:
        """Takes in the tokens of a circle."""
        for kind, tokens in result.tokens.to_json().items():
            if kind in TOKENS and tokens:
                self.tokens.labels(kind).inc(tokens)

    def text(self) -> bytes:
        """All of it, in Prometheus's format."""
        return generate_latest(self.registry)
