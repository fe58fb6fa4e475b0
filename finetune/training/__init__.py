"""Training of LoRA adapters: what is asked for, the process that does it, and the process that watches over it."""
