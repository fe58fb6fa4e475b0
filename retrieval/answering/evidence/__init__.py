"""Whether the passages that were found answer the question, and which of their sentences an answer quotes.

`marks` are measured of what search returned, `confidence` weighs them (fitted by `retrieval.answering.measuring`),
`quotes` chooses sentences, and `table_rows` the cells of a row.
"""
