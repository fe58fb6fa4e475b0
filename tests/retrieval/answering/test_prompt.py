"""What a model is given to read: as much as fits it."""

from types import SimpleNamespace

from retrieval.answering.prompt import (
    LARGE,
    LARGE_PASSAGES,
    MAX_WORDS,
    PATIENCE,
    REFUSAL,
    SMALL,
    TOKENS_A_WORD,
    PromptPlan,
    again,
    plan_for,
    refuses,
)
from tests.retrieval.samples import passage


def model(**facts: int | float | None) -> SimpleNamespace:
    return SimpleNamespace(**{"context_tokens": None, "max_tokens": 160, **facts})


def test_a_model_that_does_not_lead_reads_little() -> None:
    """The small one answers worse from more."""
    assert plan_for(model(context_tokens=8192), leads=False) == SMALL


def test_one_that_leads_reads_what_its_window_holds() -> None:
    """Less its own answer and what stands around, and no more than helps."""
    assert plan_for(model(), leads=True).words == LARGE
    assert plan_for(model(), leads=True).passages == LARGE_PASSAGES
    narrow = plan_for(model(context_tokens=2048), leads=True)
    assert MAX_WORDS < narrow.words < LARGE
    assert narrow.words * TOKENS_A_WORD + 160 < 2048


def test_a_slow_one_reads_what_people_wait_for() -> None:
    """As far as it is known how fast it reads, and never less than the small one."""
    assert plan_for(model(reading_speed=60.0), leads=True).words == round(60 * PATIENCE / TOKENS_A_WORD)
    assert plan_for(model(reading_speed=1.0), leads=True).words == MAX_WORDS


def test_the_setting_goes_first() -> None:
    """But never beyond the window."""
    assert plan_for(model(), leads=False, passage_tokens=1400).words == 1000
    assert plan_for(model(context_tokens=1024), leads=True, passage_tokens=9000).words < 1024


def test_beyond_a_sliding_window_the_best_passage_stands_last() -> None:
    """Next to the question, where the model sees it whole."""
    assert plan_for(model(context_tokens=4096, sliding_window=2047), leads=True).best_last
    assert not plan_for(model(context_tokens=4096), leads=True).best_last
    given = [passage(("Best.", 0.9), chunk_id=1), passage(("Next.", 0.8), chunk_id=2)]
    text = PromptPlan(best_last=True).messages(given, "Which?")[-1].text
    assert text.index("Next.") < text.index("Best.")


def test_the_rules_are_the_same_for_every_question() -> None:
    """So that a server keeps them computed, with what stands before the first passage."""
    one, other = (PromptPlan(full=True).messages([passage((text, 0.5))], text) for text in ("One?", "Other?"))
    assert one[0].text == other[0].text


def test_a_refusal_is_known_by_its_words() -> None:
    """Those that the model was asked to use."""
    assert refuses(REFUSAL)
    assert refuses("the passages do not say that")
    assert not refuses("The passages say 12.")


def test_what_was_borne_out_is_told_when_it_is_asked_again() -> None:
    """And what was not, each apart."""
    told = again(["It weighs 12 kg."], ["It is red."])
    assert told.index("12 kg") < told.index("red")
    assert "12 kg" not in again([], ["It is red."])
