"""The command line and the composition root: settings, servers, and the parts built and handed on."""

__version__ = "0.2.0"
