"""The process of the embedded model: an OpenAI-compatible server on a free loopback port.

    python -m igentai.providers.embedded_server --parent PID

Prints one line, {"port": N}, once it can answer. Dies with its parent, whatever ends that. Serves /v1/chat/completions
(streamed and not), /v1/completions and /v1/models; no page, no list of what others ask, nothing to another web origin.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import socket
import sys
from typing import Any, Final
from urllib.parse import urlsplit

from igentai.errors import ConfigurationError, IgentaiError
from igentai.providers import embedded

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
SLOTS: Final = 2  # requests answered side by side; they share the one thread
PORTS: Final = range(20000, 32768)
CONTEXT: Final = 4096  # tokens, for all slots together: prompt and reply of each fit in 2,048

# What a request leaves open. Chosen after some thirty settings were tried, mostly once each, on dog breeds and
# programming languages: good ones, not shown to be the best. Below a temperature of 0.7 it repeats itself, above 1 it
# babbles.
TEMPERATURE: Final = 0.9
TOP_P: Final = 0.85
REPEAT_PENALTY: Final = 1.05


def main() -> int:
    parser = argparse.ArgumentParser(prog="igentai.providers.embedded_server")
    parser.add_argument("--parent", type=int, required=True, help="pid of the process that starts this one")
    parent = parser.parse_args().parent
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end us
    ready_line = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints must not be taken for the line that says ready
    try:
        server = serve()
    except IgentaiError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ready_line.write(json.dumps({"port": urlsplit(server.listening_address).port}) + "\n")
    ready_line.close()
    while True:
        signal.pause()


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; leave at once if it is already dead."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
        sys.stderr.write(f"process {parent} is not the parent of this one: not starting\n")
        raise SystemExit(1)


def serve() -> Any:
    """A running server; it has answered its own warm-up when this returns.

    Raises:
        ConfigurationError: the runtime or the weights are missing or wrong, or the model does not load.
    """
    missing, weights = embedded.available(), embedded.weights_path()
    if missing or weights is None:
        raise ConfigurationError(missing or "the embedded model's weights vanished while starting")
    embedded.check_weights(weights)
    import xllamacpp  # 100 MB of shared object: loaded only here

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {embedded.MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.n_ctx, parameters.n_parallel = CONTEXT, SLOTS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.n_threads_http = SLOTS + 2
    parameters.cache_ram_mib = 0  # its default keeps up to 8 GiB of old prompts
    parameters.ui = parameters.endpoint_slots = False
    parameters.cors_origins = ""  # a page of another origin may not read replies
    parameters.sampling.temp, parameters.sampling.top_p = TEMPERATURE, TOP_P
    parameters.sampling.penalty_repeat = REPEAT_PENALTY
    parameters.verbosity = 1  # errors
    for attempt in range(3):
        parameters.port = free_port()
        try:
            return xllamacpp.Server(parameters)
        except RuntimeError as error:  # it does not say which: the port may have been taken in between
            if attempt == 2:
                raise ConfigurationError(f"the embedded model does not load: {error}") from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def free_port() -> int:
    """A loopback port that nobody listens on, below the kernel's own range.

    Within that range a client that keeps knocking at a closed port can end up connected to itself.
    """
    for port in random.Random(os.getpid()).sample(PORTS, 64):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise ConfigurationError(f"no free port on 127.0.0.1 between {PORTS.start} and {PORTS.stop - 1}: close something")


if __name__ == "__main__":
    sys.exit(main())
