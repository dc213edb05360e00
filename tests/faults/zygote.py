"""Daemons without the second that Python's imports take: a process that has everything imported forks one each time.

    python -m tests.faults.zygote
    < {"args": [...], "cwd": "...", "log": "...", "plants": [...], "environment": {...}}
    > {"pid": 123}
    > {"ended": 123, "code": -9}

The forked process runs `igentai ARGS` as the console script would. Producers are started by it as ever.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

from tests.faults.plants import plant


def main() -> None:
    import uvloop  # noqa: F401  imported here so that no child has to

    import igentai_orchestrator.cli
    import igentai_orchestrator.live_view
    import igentai_orchestrator.run  # noqa: F401

    children: dict[int, int] = {}
    poll = select.poll()
    poll.register(0, select.POLLIN)
    _say({"ready": os.getpid()})
    rest = b""
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in children:
                poll.unregister(descriptor)
                pid = children.pop(descriptor)
                os.close(descriptor)
                _say({"ended": pid, "code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})
                continue
            data = os.read(0, 1 << 16)
            if not data:
                for pid in children.values():
                    os.kill(pid, signal.SIGKILL)
                return
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                pid = _fork(json.loads(line))
                pidfd = os.pidfd_open(pid)
                children[pidfd] = pid
                poll.register(pidfd, select.POLLIN)
                _say({"pid": pid})


def _say(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _fork(wanted: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(wanted)
    return pid


def _become(wanted: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        os.chdir(wanted["cwd"])
        os.environ.update(wanted["environment"])
        plant(wanted["plants"])
        sys.argv = ["igentai", *wanted["args"]]
        from igentai_orchestrator.cli import main as command

        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
