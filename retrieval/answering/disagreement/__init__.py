"""Where documents state different values for the same thing, which an answer says.

In the order of the flow: `claims` takes what passages state near the question apart, by the words of `terms` and the
synonyms of `lexicon`; `disagreements` pairs the claims of different documents, asks `distinctions` whether something
sets them apart, and compares their values (`retrieval.text.values`). No model is asked.
"""
