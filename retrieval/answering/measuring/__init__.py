"""How good answers are, and how the chain is fitted to that: by `journeyman evaluate` and `journeyman calibrate`.

`evaluation` reads sets of questions and reports rates; `calibration` fits when to abstain; `leading_trial` and
`rewriting_trial` find out what a model is able to, which `retrieval.answering.abilities` keeps; `fitting` does all of
it with an index and a model.
"""
