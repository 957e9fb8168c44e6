"""Engines continue token ids: llama.cpp inside this process, any server, or a script."""

from tertulia.engines.base import (
    Engine,
    EngineError,
    EngineInfo,
    Generation,
    Request,
    Sampling,
    Token,
)

__all__ = ["Engine", "EngineError", "EngineInfo", "Generation", "Request", "Sampling", "Token"]
