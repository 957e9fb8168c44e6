"""Training of pebble: tokenizer, data, pre-training, export to GGUF. Needs the extra `train`."""
