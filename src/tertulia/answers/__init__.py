"""Answers: read from a text, compared by meaning. Usable alone."""
