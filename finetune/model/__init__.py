"""A Phi-3 that writes: found, loaded, adapted, asked in this process or behind a URL."""
