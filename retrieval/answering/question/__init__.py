"""What a question asks: how it stands alone in its conversation, what type of answer it asks for, what it mentions.

`followup` goes by words alone, `rewriting` asks a model and checks what it says; `answer_type` and `mentions` are read
by what judges the passages (`retrieval.answering.evidence`).
"""
