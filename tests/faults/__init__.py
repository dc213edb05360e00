"""Harnesses that break things on purpose. `scripts/torture` runs the long ones; see docs/reliability.md."""
