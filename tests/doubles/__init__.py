"""Local servers that speak the providers' own HTTP APIs, and a made-up world for them to know about.

    async with Double("openai", World()) as double:
        provider = OpenAIProvider(ProviderSpec("openai", "openai", Secret("k"), double.base_url))
        ...
        assert double.log[0].status == 200

`python -m tests.doubles --api openai` runs one as a process. Nothing here imports igentai: what the doubles count and
charge is a second opinion.
"""

from tests.doubles.script import Fault, Script
from tests.doubles.server import Double
from tests.doubles.world import World

__all__ = ["Double", "Fault", "Script", "World"]
