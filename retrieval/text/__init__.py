"""What is known of text by itself, without an index and without a question.

`sentences` cuts a text into what can be quoted, `words` and `stems` say which of its words count and which are the
same, `lexemes` finds the identifiers of a trade, `values` its amounts and dates, `languages` the language that it is
in; `clusters` groups texts that mean the same.
"""
