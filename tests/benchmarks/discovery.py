"""How well the learned policy spends, scored by an outside simulator, and how good the estimates are.

    python -m tests.benchmarks.discovery --simulator FILE [main|random|stop|decide|estimates|closed ...]

The simulator is a file that follows the plug-in interface described in docs/discovery.md: worlds of known content, an
oracle, and `Policy` with reset, choose and update. `ProductPolicy` is the adapter it loads.
"""
