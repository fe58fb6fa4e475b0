"""Calibration: when the documents are taken to answer, fitted to questions of which it is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from psycopg import Connection

from retrieval.answering.evidence.confidence import DEFAULT, DEFAULTS, NOT_COMPARED, Calibration, calibration
from retrieval.answering.evidence.marks import Marks
from retrieval.answering.measuring.calibration import (
    TooFewQuestions,
    calibrate,
    cross_validated,
    fit,
    latest,
    risk_coverage,
    separation,
    store,
    take_back,
)
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.searching.passage import Passage
from tests.retrieval.samples import passage


def questions(answerable: int, unanswerable: int) -> list[LabelledQuestion]:
    return [
        LabelledQuestion(str(i), "?", "fact", ("pump.md",) if i < answerable else (), ())
        for i in range(answerable + unanswerable)
    ]


def found(labelled: LabelledQuestion) -> Sequence[Passage]:
    """Evidence between 0.4 and 0.8 where there is an answer, between 0.1 and 0.5 where there is none."""
    place = int(labelled.id) * 7 % 10 / 10
    nearness = (0.4 if labelled.sources else 0.1) + 0.4 * place
    return [replace(passage(("A sentence.", nearness)), score=nearness)]


def test_confidence_grows_with_the_evidence() -> None:
    """And the default tells a good match from a poor one."""
    for default in DEFAULTS.values():
        confidences = [default.confidence(Marks(n, n, 2 * n, 1.0, 1.0)) for n in (0.1, 0.4, 0.7, 0.9)]
        assert confidences == sorted(confidences)
        assert confidences[0] < default.threshold < confidences[-1]


def test_what_is_known_besides_counts_where_it_is_known() -> None:
    """What was written is grounded, the model says yes: more confidence; not, or no: less; unknown: the same."""
    found = Marks(0.5, 0.5, 0.8, 1.0, 1.0)
    alone = DEFAULT.confidence(found)
    assert DEFAULT.confidence(found, grounded=0.05) < alone < DEFAULT.confidence(found, grounded=0.95)
    assert DEFAULT.confidence(found, says_yes=0.05) < alone < DEFAULT.confidence(found, says_yes=0.95)


def test_weights_are_learnt_from_many_questions_and_kept_with_few() -> None:
    """A mark that tells nothing loses its weight once there are hundreds of questions; ten do not suffice for that."""
    generator = np.random.default_rng(0)

    def fitted(n: int) -> tuple[float, ...]:
        answerable = np.arange(n) % 2 * 1.0
        telling = 0.4 + 0.1 * answerable + generator.normal(0, 0.1, n)
        noise = [generator.normal(0.5, 0.1, n) for _ in range(3)]
        return fit(np.stack([noise[0], telling, noise[1], noise[2]], axis=1), answerable, DEFAULT)

    many, few = fitted(4000), fitted(10)
    assert many[1] > 5 * max(many[0], many[2])
    assert few[:4] == pytest.approx(DEFAULT.weights[:4], rel=0.6)
    assert min(many[:4]) >= 0


def test_a_mark_that_is_always_the_same_keeps_its_default_weight() -> None:
    """Nothing is learnt of it: that no question named what is missing does not say that this means nothing."""
    answerable = np.arange(40) % 2 * 1.0
    features = np.stack([0.4 + 0.2 * answerable, 0.4 + 0.2 * answerable, np.ones(40), np.ones(40)], axis=1)
    weights = fit(features, answerable, DEFAULT)
    assert weights[2:4] == DEFAULT.weights[2:4]
    judged = Calibration(weights, 0.5)
    assert judged.confidence(Marks(0.6, 0.6, 0, 1, 1)) > 0.5 > judged.confidence(Marks(0.4, 0.4, 0, 1, 1))


def test_risk_at_each_coverage() -> None:
    """By falling confidence: right, wrong, right, wrong."""
    curve = risk_coverage(np.array([0.1, 0.9, 0.5, 0.7]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert curve == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])


def test_separation_counts_pairs() -> None:
    """Three of four pairs in the right order; a tie is half."""
    assert separation(np.array([0.9, 0.4, 0.5, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])) == 0.75
    assert separation(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5


def test_no_question_judges_itself() -> None:
    """Marks without a meaning separate nothing, however well they can be learnt by heart."""
    generator = np.random.default_rng(1)
    features, answerable = generator.normal(0.5, 0.1, (400, 4)), np.arange(400) % 2 * 1.0
    assert separation(cross_validated(features, answerable, DEFAULT), answerable) == pytest.approx(0.5, abs=0.06)


def test_a_target_risk_is_kept_with_as_many_answers_as_it_allows() -> None:
    """Less risk, fewer answers; without a target both kinds of errors are balanced."""
    asked = questions(40, 40)
    risks = {target: calibrate(found, asked, target) for target in (0.3, 0.0)}
    assert all(fitted.risk <= target for target, fitted in risks.items())
    assert risks[0.3].coverage > risks[0.0].coverage > 0
    balanced = calibrate(found, asked)
    assert 0.3 < balanced.coverage < 0.7
    assert balanced.area < 0.25  # answering all of them: 0.5 at the end
    assert len(balanced.curve) == 80
    assert (balanced.answerable, balanced.unanswerable) == (40, 40)


def test_a_document_that_is_not_found_cannot_answer() -> None:
    """Then the question counts as one without an answer."""

    def lost(labelled: LabelledQuestion) -> Sequence[Passage]:
        return [replace(p, document="other.md") if labelled.id == "0" else p for p in found(labelled)]

    assert calibrate(lost, questions(10, 10)).unanswerable == 11


def test_the_curve_is_drawn() -> None:
    """As a PNG."""
    assert (calibrate(found, questions(5, 5)).chart or b"")[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(("answerable", "unanswerable"), [(10, 0), (2, 10)])
def test_one_kind_of_questions_fits_nothing(answerable: int, unanswerable: int) -> None:
    """The message says which kind is missing."""
    with pytest.raises(TooFewQuestions, match="at least 3"):
        calibrate(found, questions(answerable, unanswerable))


def test_what_is_stored_holds_until_it_is_taken_back(conn: Connection) -> None:
    """Then the one before holds, at last the default."""
    assert calibration(conn) == DEFAULT
    fits = [calibrate(found, questions(10, 10), target) for target in (0.3, 0.0)]
    for fitted in fits:
        store(conn, fitted)
    assert calibration(conn) == Calibration(tuple(fits[1].weights), fits[1].threshold, NOT_COMPARED)
    kept = latest(conn)
    assert kept is not None
    assert (
        replace(kept, calibrated_at=None, marks=tuple(kept.marks), weights=tuple(kept.weights), curve=tuple(kept.curve))
        == fits[1]
    )
    assert take_back(conn)
    assert calibration(conn).threshold == fits[0].threshold
    assert take_back(conn)
    assert calibration(conn) == DEFAULT
    assert latest(conn) is None
    assert not take_back(conn)


def test_a_calibration_of_other_marks_is_not_misread(conn: Connection) -> None:
    """The default holds, then."""
    store(conn, replace(calibrate(found, questions(10, 10)), marks=("passage", "sentence", "together")))
    assert calibration(conn) == DEFAULT
