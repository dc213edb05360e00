"""igentai: every item that language models know about a topic.

This package is the library's face, and what the orchestrator and its producers share.
"""

__version__ = "0.1.0"
