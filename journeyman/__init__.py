"""The command line and the composition root: settings, servers, and the parts built and handed to each other."""

__version__ = "0.1.0"
