"""Python imports this by itself in every process that has this folder on PYTHONPATH: the harnesses' way into a daemon
and into the producers that it spawns. The product knows nothing of it."""

import os

if os.environ.get("FAULT_PLANTS"):
    from tests.faults.plants import plant

    plant(os.environ["FAULT_PLANTS"].split(","))
