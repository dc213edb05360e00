"""The rooms of the daemon: each turns some events into facts or carries out some orders. `run.py` joins them."""
