"""Phi-3 and its adapters: build, load, serve as a LangChain chat model. Imports none of our packages."""
