"""From votes and corrections to examples: what each teaches, what is left out, and what is never mixed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.dataset.build import build
from finetune.dataset.guards import Contamination
from finetune.dataset.personal import redact
from finetune.dataset.rows import AnswerRow, Dataset, Options, Placed
from finetune.dataset.splitting import question_key
from retrieval.answering.prompt import REFUSAL
from tests.finetune.dataset.samples import OTHER, START, answer, down, grounding, passage, up

ALL_TRAIN = Options(test_share=0, newest_share=0, oracle_share=1)
WRONG = "Alarm 1 means nothing."


def made(*answers: AnswerRow, options: Options = ALL_TRAIN, **more: Any) -> Dataset:
    return build(answers, more.pop("grounding", grounding()), options=options, **more)


def kinds(dataset: Dataset) -> list[str]:
    return sorted(placed.example.id for placed in dataset.placed)


def only(dataset: Dataset, kind: str) -> Placed:
    (found,) = [placed for placed in dataset.placed if placed.example.kind == kind]
    return found


def corrected(number: int = 1, correction: str | None = None, **changes: Any) -> AnswerRow:
    """An answer that said something wrong and was corrected by what its first passage says."""
    right = answer(number)
    wrong = f"Alarm {number} means nothing."
    return replace(right, text=wrong, correction=correction or right.text, votes=down("U2", reason="wrong"), **changes)


def test_a_supported_correction_is_imitated_and_preferred() -> None:
    """It is an SFT row and a pair with what was said."""
    dataset = made(corrected())
    assert kinds(dataset) == ["dpo:a1", "sft:a1"]  # KTO is left out: one class alone
    right = [{"role": "assistant", "content": "Alarm 1 means the door 1 is open."}]
    assert only(dataset, "sft").line["completion"] == right
    assert only(dataset, "dpo").line["chosen"] == right
    assert only(dataset, "dpo").line["rejected"] == [{"role": "assistant", "content": WRONG}]
    assert dataset.report["corrections: supported by what was read"] == 1
    assert dataset.report["left out: thumbs of one kind alone"] == 1


def test_a_correction_without_support_is_a_gap_and_never_trained() -> None:
    dataset = made(corrected(correction="Alarm 1 means the moon is full."))
    assert kinds(dataset) == []
    assert dataset.report["corrections: no document says it (a gap in the documents)"] == 1
    assert dataset.report["thumbs down: it was missing (for search)"] == 1


def test_a_verified_answer_does_not_support_itself() -> None:
    """An approved correction is indexed; that its own text is found proves nothing."""
    fact = "Alarm 1 means the moon is full."
    words = grounding(search=lambda text: [passage(fact, verified=True)])
    assert kinds(made(corrected(correction=fact), grounding=words)) == []


def test_support_that_was_not_found_is_put_into_the_prompt() -> None:
    """The model learns to answer from a passage that says it, never as if the others had."""
    fact = "Alarm 1 means the spindle is hot."
    dataset = made(corrected(correction=fact), grounding=grounding(search=lambda text: [passage(fact)]))
    assert fact in str(only(dataset, "sft").line["prompt"])
    assert dataset.report["corrections: supported, but not found (for search to learn from)"] == 1
    assert dataset.report["thumbs down: it was missing (for search)"] == 1


def test_a_hidden_passage_that_supports_is_not_shown() -> None:
    """What search adds must be for everyone as well."""
    fact = "Alarm 1 means the spindle is hot."
    words = grounding(search=lambda text: [passage(fact, everyone=False)])
    assert kinds(made(corrected(correction=fact), grounding=words)) == []


def test_thumbs() -> None:
    """Up is desirable, and imitated if grounded; down is undesirable if a person says that the model was wrong."""
    ungrounded = replace(answer(2, votes=up("U2")), text="Alarm 2 is nice.")
    dataset = made(answer(1, votes=up("U2")), ungrounded, answer(3, votes=down("U2", reason="wrong")))
    assert kinds(dataset) == ["kto:a1", "kto:a2", "kto:a3", "sft:a1"]
    labels = {placed.example.id: placed.line.get("label") for placed in dataset.placed}
    assert labels == {"kto:a1": True, "kto:a2": True, "kto:a3": False, "sft:a1": None}


@pytest.mark.parametrize(
    "changes",
    [
        {"votes": ()},
        {"votes": down("U2")},
        {"votes": down("U2", reason="source")},
        {"votes": down("U2", reason="outdated")},
        {"votes": (*up("U2"), *down("U3"))},
        {"votes": up("U2"), "abstained": True},
        {"votes": up("U2"), "prompted": False},
        {"votes": up("U2"), "passages": (passage("x", everyone=False),)},
        {"votes": up("U2"), "passages": (passage(""),)},
        {"votes": (*up("U2"), *down("U3", "U4"))[:2]},
    ],
)
def test_what_teaches_nothing(changes: dict[str, Any]) -> None:
    """Silence, no reason, search's fault, a draw, an abstention, deleted words, a private or a changed document."""
    others = [answer(8, votes=up("U5")), answer(9, votes=down("U5", reason="wrong"))]
    dataset = made(answer(1, **changes), *others)
    assert kinds(dataset) == ["kto:a8", "kto:a9", "sft:a8"]


def test_one_person_against_all_does_not_count() -> None:
    """Neither that vote, nor any other of who votes so again and again."""
    crowd = [answer(n, votes=(*up("U2", "U3"), *down("EVIL", reason="wrong"))) for n in range(1, 5)]
    alone = answer(5, votes=down("EVIL", reason="wrong"))
    dataset = made(*crowd, alone, answer(6, votes=down("U2", reason="wrong")))
    assert dataset.report["left out: suspicious votes"] == 5
    labels = {placed.example.id: placed.example.label for placed in dataset.placed if placed.example.kind == "kto"}
    assert labels == {**{f"kto:a{n}": True for n in range(1, 5)}, "kto:a6": False}


def test_an_answer_that_a_reviewer_corrected_is_not_desirable() -> None:
    assert not [one for one in kinds(made(replace(corrected(), votes=up("U2", "U3")))) if one.startswith("kto")]


def test_duplicates_conflicts_and_caps() -> None:
    """The same is learnt once, contradictions not at all, and nobody teaches more than their share."""
    again = replace(corrected(), id="a9")
    assert kinds(made(corrected(), again)) == ["dpo:a9", "sft:a9"]
    both = corrected(passages=(passage("Alarm 1 means the door 1 is open."), passage("It is door 7.")))
    other = replace(both, id="a9", correction="It is door 7.")
    dataset = made(both, other)
    assert kinds(dataset) == []
    assert dataset.report["left out: corrections that contradict each other"] == 4
    of_one = [replace(corrected(n), persons=frozenset({"U1"})) for n in range(1, 6)]
    dataset = made(*of_one, options=replace(ALL_TRAIN, per_person=2))
    assert kinds(dataset) == ["dpo:a4", "dpo:a5", "sft:a4", "sft:a5"]
    of_thread = [replace(one, thread="t1") for one in of_one]
    dataset = made(*of_thread, options=replace(ALL_TRAIN, per_question=1))
    assert kinds(dataset) == ["dpo:a5", "sft:a5"]


@pytest.mark.parametrize(("said", "thread", "kept"), [("7", "", 0), ("1", "", 4), ("", "", 4), ("7", "t1", 4)])
def test_like_questions_contradict_each_other(said: str, thread: str, kept: int) -> None:
    """If no number of the one correction stands in the other; in a thread people ask about several things."""
    fact = f"It is door {said or 'of the hall'}."
    one = corrected(1, thread=thread)
    other = corrected(2, fact, passages=(passage(fact), passage(OTHER)), thread=thread)
    pairs = () if thread else ((0, 1),)
    dataset = made(one, other, grounding=grounding(alike=lambda questions: pairs if len(questions) == 2 else ()))
    assert len(kinds(dataset)) == kept


def test_one_text_for_different_questions_answers_none() -> None:
    """Twice is chance, three times is somebody who is not answering; unless other passages say the same."""
    said = "Overalls are washed on Mondays."
    assert len(kinds(made(*(corrected(n, said) for n in (1, 2))))) == 4
    dataset = made(*(corrected(n, said) for n in (1, 2, 3)), corrected(4))
    assert kinds(dataset) == ["dpo:a4", "sft:a4"]
    assert dataset.report["left out: one correction for different questions"] == 6
    own = [corrected(n, said, passages=(passage(f"{said} So says manual {n}."),)) for n in (1, 2, 3)]
    assert len(kinds(made(*own))) == 6


def test_an_answer_is_never_cut() -> None:
    """What does not fit with its whole answer is left out."""
    needed = (
        len("Alarm 1 means the door 1 is open. Overalls are washed on Mondays. What does alarm 1 mean?".split()) + 8
    )
    assert kinds(made(corrected(), options=replace(ALL_TRAIN, max_tokens=needed))) == ["dpo:a1", "sft:a1"]
    short = made(corrected(), options=replace(ALL_TRAIN, max_tokens=needed - 1))
    assert kinds(short) == []
    assert short.report["left out: longer than the model is trained on"] == 2


def test_personal_data_goes_but_what_a_document_says_stays() -> None:
    """By form and checksum; a number that is none stays."""
    counts: Counter[str] = Counter()
    typed = (
        "Mail ann@acme.com or help@acme.com, call +49 30 901820, <@U123ABC>, IBAN DE89 3704 0044 0532 0130 00, "
        "card 4111 1111 1111 1111, host 10.0.0.12, part 4111 1111 1111 1112, version 1.2.3, order 2026-11-23."
    )
    assert redact(typed, "Write to help@acme.com.", counts) == (
        "Mail [email] or help@acme.com, call [phone], [person], IBAN [account], "
        "card [card], host [address], part 4111 1111 1111 1112, version 1.2.3, order 2026-11-23."
    )
    assert sum(counts.values()) == 6
    dataset = made(corrected(question="I am bob@acme.com: what does alarm 1 mean?"))
    assert "bob@" not in str([placed.line for placed in dataset.placed])
    assert dataset.report["redacted: email"] == 3


def test_questions_of_an_evaluation_set_are_in_neither_side() -> None:
    """Not by their words, not with a word in front, and not by their meaning; and their paraphrases neither."""
    asked = "which torque do the screws of the front cover of machine twelve need"
    assert Contamination([asked]).holds(f"Hello, {asked}?")
    assert not Contamination([asked]).holds("which torque do the screws of the table need")
    dataset = made(corrected(1), corrected(2), evaluation=["what does ALARM 1 mean"])
    assert kinds(dataset) == ["dpo:a2", "sft:a2"]
    assert dataset.report["left out: questions of an evaluation set"] == 3
    pairs = grounding(alike=lambda questions: [(0, 1), (1, 2)])  # the third is the evaluation set's
    assert kinds(made(corrected(1), corrected(2), grounding=pairs, evaluation=["Something else?"])) == []


def test_the_oracle_is_missing_in_a_share_and_then_the_answer_is_that_it_is_not_said() -> None:
    """RAFT's mix, without its learning by heart; the order is of chance and the same each time."""
    answers = [corrected(n) for n in range(1, 201)]
    dataset = made(*answers, options=replace(ALL_TRAIN, oracle_share=0.8, per_person=1000, seed=1))
    rows = [placed.line for placed in dataset.placed if placed.example.kind == "sft"]
    without = [row for row in rows if row["completion"] == [{"role": "assistant", "content": REFUSAL}]]
    assert 25 <= len(without) <= 55  # of 200, within three standard deviations of 40
    assert all("means the door" not in str(row["prompt"]) for row in without)
    first = [row["prompt"][0]["content"].startswith(OTHER) for row in rows if row not in without]
    assert 0.3 < sum(first) / len(first) < 0.7
    assert made(*answers, options=replace(ALL_TRAIN, oracle_share=0.8, per_person=1000, seed=1)).hash == dataset.hash


def test_the_hash_is_of_the_rows() -> None:
    """Any order of the same rows has it; one changed word has another."""
    rows = [corrected(n) for n in range(1, 6)]
    assert made(*rows).hash == made(*reversed(rows)).hash
    assert made(*rows).hash != made(*rows[:-1], replace(rows[-1], text="Alarm 5 means something.")).hash


def test_a_corrected_answer_that_is_held_out_is_a_regression_test() -> None:
    """It is in the regression set, and what is trained on never is."""
    dataset = made(*[corrected(n) for n in range(1, 40)], options=replace(ALL_TRAIN, test_share=0.5))
    tested = {line["example"] for line in dataset.regression}
    assert tested
    assert tested == {one.example.id for one in dataset.placed if one.example.kind == "dpo" and one.split == "test"}


def test_the_newest_are_held_out() -> None:
    dataset = made(*[corrected(n) for n in range(1, 21)], options=replace(ALL_TRAIN, newest_share=0.1))
    assert {one.example.answer_id for one in dataset.placed if one.split == "test"} == {"a19", "a20"}


def test_what_was_held_out_stays_out() -> None:
    """Also if the next round would draw otherwise, and for a question that joins it to one that was trained on."""
    first = made(*[corrected(n) for n in range(1, 41)], options=replace(ALL_TRAIN, test_share=0.5))
    held = {one.example.question for one in first.placed if one.split == "test"}
    second = made(*[corrected(n) for n in range(1, 61)], options=ALL_TRAIN, decided=first.splits)
    assert held
    assert {one.example.question for one in second.placed if one.split == "test"} == held
    decided = {question_key("What does alarm 1 mean?"): "train", question_key("What does alarm 2 mean?"): "test"}
    bridge = grounding(alike=lambda questions: [(0, 2), (1, 2)])
    joined = build([corrected(n) for n in (1, 2, 3)], bridge, options=ALL_TRAIN, decided=decided)  # type: ignore[arg-type]
    assert {one.split for one in joined.placed} == {"test"}


PEOPLE = ("U1", "U2", "U3")
rows = st.lists(
    st.builds(
        lambda question, thread, person, good, hours: replace(
            answer(question) if good else corrected(question),
            thread=thread,
            persons=frozenset({person}),
            asked_at=START + timedelta(hours=hours),
            votes=up(person) if good else down(person, reason="wrong"),
        ),
        st.integers(1, 12),
        st.sampled_from(["", "t1", "t2"]),
        st.sampled_from(PEOPLE),
        st.booleans(),
        st.integers(0, 1000),
    ),
    max_size=25,
).map(lambda found: [replace(row, id=f"a{index}") for index, row in enumerate(found)])
pairs = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=4)


def alike_by(pairs: Sequence[tuple[int, int]]) -> Any:
    return lambda questions: [pair for pair in pairs if max(pair) < len(questions)]


@settings(max_examples=150, deadline=None)
@given(rows, pairs, st.sampled_from(PEOPLE), st.integers(0, 5))
def test_whatever_people_do(found: list[AnswerRow], near: list[tuple[int, int]], gone: str, seed: int) -> None:
    """No cluster, question or thread on both sides; nothing of who is gone; the same hash again."""
    options = Options(test_share=0.4, newest_share=0.1, seed=seed)
    words = grounding(alike=alike_by(near))
    dataset = build(found, words, options=options)
    for of in (lambda one: one.cluster, lambda one: question_key(one.example.question), lambda one: one.example.thread):
        sides: dict[str, set[str]] = {}
        for one in dataset.placed:
            sides.setdefault(of(one), set()).add(one.split)
        assert all(len(side) == 1 for name, side in sides.items() if name)
    assert build(found, words, options=options).hash == dataset.hash
    later = build([row for row in found if gone not in row.persons], words, options=options, decided=dataset.splits)
    assert all(gone not in one.example.persons for one in later.placed)
    held = {one.example.question for one in dataset.placed if one.split == "test"}
    assert not held & {one.example.question for one in later.placed if one.split == "train"}
