"""The synthetic multilingual problem world on which pebble is trained."""
