"""What the arms of a comparison made of the questions: their answers, the figures of each arm, and gains of pairs.

The arms are called base (the model alone), rag (with the documents), rag+examples (with verified answers as examples
beside them), finetuned (the model with its adapter) and rag+finetuned.
"""

from dataclasses import dataclass

from finetune.significance import Interval

BASE, RAG, EXAMPLES, TUNED, BOTH = "base", "rag", "rag+examples", "finetuned", "rag+finetuned"
ARMS = (BASE, RAG, EXAMPLES, TUNED, BOTH)


@dataclass(frozen=True, slots=True)
class Written:
    """What an arm wrote to one question. `score` is in [0, 1]: of an answer, how right it is; of a question that has
    no answer, 1 if it was refused. `seconds` from the question to the end of the answer, `tokens` that were read and
    written for it. Questions of one `cluster` are alike, and one without is alone.
    """

    id: str
    question: str
    answerable: bool
    answer: str
    abstained: bool
    score: float
    seconds: float
    cluster: str = ""
    tokens: int = 0

    @property
    def group(self) -> str:
        """What its question is alike with: its cluster, or it alone."""
        return self.cluster or self.id


@dataclass(frozen=True, slots=True)
class Arm:
    """The figures of one arm: how right its answers are, the share of unanswerable questions that it refused and of
    answerable ones that it refused wrongly, and the median of seconds, words and tokens an answer.
    """

    name: str
    answer: Interval
    refused: Interval
    wrongly_refused: Interval
    seconds: float
    words: float
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better `arm` is than `over`, over all questions; so many questions became `better` and `worse`, which
    would come about by chance with probability `p` (exact McNemar test).
    """

    arm: str
    over: str
    difference: Interval
    better: int
    worse: int
    p: float


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """A question to which two arms gave answers of different worth."""

    id: str
    question: str
    before: float
    after: float
