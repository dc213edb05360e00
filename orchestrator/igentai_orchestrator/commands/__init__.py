"""The commands of `igentai`, one noun a file; `cli.py` puts them together."""
