"""A spawned producer: `python -m igentai_producer --orchestrator-addr H:P --slot N --parent PID --handover-fd FD`.

People start producers with `igentai producer`. Nothing heavy is imported here: eight of these start at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from igentai_producer.parent import die_with

if TYPE_CHECKING:
    import argparse


def main() -> int:
    # Before anything is imported or read: on a busy machine that takes long enough to be orphaned meanwhile.
    if "--parent" in sys.argv[:-1] and not die_with(_number_after("--parent")):
        sys.stderr.write("the process that started this producer is gone: not starting\n")
        return 1
    import faulthandler
    import os
    from pathlib import Path

    arguments = _arguments()
    faulthandler.enable()  # SIGABRT, which a producer that hangs is sent, leaves a traceback on standard error

    from igentai.errors import IgentaiError
    from igentai.handover import decode
    from igentai_producer.lines import JsonLines
    from igentai_producer.run import LOCAL_RECONNECT_S, run

    try:
        handover = decode(_read_all(arguments.handover_fd))
        keys = [key.reveal() for spec in handover.providers.values() for key in spec.keys]
        os.set_blocking(2, False)  # the pipe to the orchestrator: one that does not read must not stop the work
        return run(
            arguments.orchestrator_addr,
            secret=handover.secret,
            providers=handover.providers,
            slot=arguments.slot,
            spool=Path(handover.spool) if handover.spool else None,
            reconnect_for_s=LOCAL_RECONNECT_S,
            log=JsonLines(2, handover.log_level, [*keys, handover.secret.hex()]),
        )
    except IgentaiError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _number_after(flag: str) -> int:
    word = sys.argv[sys.argv.index(flag) + 1]
    return int(word) if word.isdigit() else 0


def _arguments() -> argparse.Namespace:
    import argparse

    parser = argparse.ArgumentParser(prog="igentai_producer", description="A producer that an orchestrator spawned.")
    parser.add_argument("--orchestrator-addr", required=True, metavar="HOST:PORT")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True, help="pid of the orchestrator")
    parser.add_argument("--handover-fd", type=int, required=True, help="pipe with the secret and the keys")
    return parser.parse_args()


def _read_all(descriptor: int) -> bytes:
    import os

    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


if __name__ == "__main__":
    sys.exit(main())
