"""How good answers are, and how the chain is fitted to that: by `journeyman evaluate` and `journeyman calibrate`."""
