"""From a question to a cited answer: the LangChain chain, its evidence, its prompt, its checks."""
