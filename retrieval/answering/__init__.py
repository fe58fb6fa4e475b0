"""From a question to a cited answer. An answer goes through these modules in this order:

1. The question (`answer` has it, and all that the chain gives back) is made to stand alone: `question.followup` by its
   words, `question.rewriting` by a model that is able to, as `abilities` keeps what was measured of it.
2. `passages` finds what it is answered from: `retrieval.searching`, reordered and without repetitions.
3. `draft` is begun. `evidence.marks` measures how well the passages answer, also by what the question mentions
   (`question.mentions`) and which type of answer it asks for (`question.answer_type`); `evidence.confidence` says
   whether that is enough. If not, `abstention` has the words.
4. `evidence.quotes` chooses the sentences that answer, of a table row the cells (`evidence.table_rows`).
5. `policy` and `abilities` say whose words lead. `prompt` has what the model reads, verified answers beside the
   passages if there are some (`examples`); `chat_model` is what is spoken with it. `model_judge` asks it first whether
   the passages answer, if the policy says so.
6. `writing` takes the model's text apart as it streams in (`statements`), leaves out what says nothing (`wording`) or
   is about something else (`relevance`), and shows what the passages bear out (`groundedness`). Where documents state
   different values (`disagreement`), the answer says that, too.
7. `chain` is the road through all of it, from the question to the finished answer. `closed_book` answers without
   documents, for comparison.

`measuring` runs sets of questions through the chain and fits it to them.
"""
