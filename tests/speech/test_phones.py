"""Phone sets, folding and the phone error rate, against known facts and a differently written edit distance."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.phones.errors import score
from dse.phones.sets import (
    FOLD_48_TO_39,
    FOLD_61_TO_39,
    FOLD_61_TO_48,
    PHONES_39,
    PHONES_48,
    PHONES_61,
    SIL_48,
    fold,
    fold_utterances,
    frame_targets,
    scored_phones,
)

sequences = st.lists(st.integers(0, 4), max_size=9)


def indices(text: str, phones: tuple[str, ...] = PHONES_61) -> list[int]:
    return [phones.index(p) for p in text.split()]


def names(folded: np.ndarray, phones: tuple[str, ...]) -> str:
    return " ".join(phones[p] for p in folded)


def test_set_sizes() -> None:
    assert [len(set(phones)) for phones in (PHONES_61, PHONES_48, PHONES_39)] == [61, 48, 39]


def test_folding_in_two_steps_is_folding_in_one() -> None:
    kept = FOLD_61_TO_48 >= 0
    assert np.array_equal(FOLD_48_TO_39[FOLD_61_TO_48[kept]], FOLD_61_TO_39[kept])
    assert [PHONES_61[p] for p in np.flatnonzero(~kept)] == ["q"]
    assert [PHONES_61[p] for p in np.flatnonzero(FOLD_61_TO_39 < 0)] == ["q"]


def test_every_folded_phone_is_reached() -> None:
    assert set(FOLD_61_TO_48) - {-1} == set(range(48))
    assert set(FOLD_48_TO_39) == set(range(39))


# Source: Lee & Hon 1989, table II (the groups that are not scored apart).
@pytest.mark.parametrize("group", ["sh zh", "ao aa", "ax ah ax-h", "ix ih", "l el", "n en nx", "m em", "ng eng"])
def test_confusable_groups_become_one_phone(group: str) -> None:
    assert len(set(FOLD_61_TO_39[indices(group)])) == 1


def test_silences_and_closures_become_silence() -> None:
    assert set(names(fold(indices("h# pau epi bcl dcl gcl pcl tcl kcl"), FOLD_61_TO_39), PHONES_39).split()) == {"sil"}


def test_a_sentence() -> None:
    sentence = indices("h# q ax-h pcl p er tcl t pau q ux zh h#")
    assert names(fold(sentence, FOLD_61_TO_48), PHONES_48) == "sil ax cl p er cl t sil uw zh sil"
    phones, counts = scored_phones(sentence, [len(sentence)], FOLD_61_TO_39)
    assert names(phones, PHONES_39) == "sil ah sil p er sil t sil uw sh sil"
    assert counts.tolist() == [11]


def test_only_silence_is_merged_and_only_inside_an_utterance() -> None:
    phones, counts = scored_phones(indices("pau q tcl s s h# h# aa ao pau"), [6, 0, 4], FOLD_61_TO_39)
    assert names(phones, PHONES_39) == "sil s s sil sil aa aa sil"
    assert counts.tolist() == [4, 0, 4]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=1, max_size=5))
def test_utterances_fold_as_if_alone_and_scoring_is_stable(utterances: list[list[int]]) -> None:
    flat = [p for u in utterances for p in u]
    phones, counts = fold_utterances(flat, [len(u) for u in utterances], FOLD_61_TO_48)
    for utterance, part in zip(utterances, np.split(phones, np.cumsum(counts)[:-1]), strict=True):
        assert np.array_equal(part, fold(utterance, FOLD_61_TO_48))
    direct = scored_phones(flat, [len(u) for u in utterances], FOLD_61_TO_39)
    via_48 = scored_phones(phones, counts, FOLD_48_TO_39)
    assert all(np.array_equal(a, b) for a, b in zip(direct, via_48, strict=True))


def test_frame_targets_give_q_to_the_phone_before() -> None:
    phones = indices("q h# h# aa aa aa q q n")
    targets = frame_targets(phones, [0, 0, 2, 0, 1, 2, 0, 2, 1])
    aa, n = PHONES_48.index("aa"), PHONES_48.index("n")
    sil = 3 * SIL_48
    assert targets.tolist() == [
        sil + 2,
        sil,
        sil + 2,
        3 * aa,
        3 * aa + 1,
        3 * aa + 2,
        3 * aa + 2,
        3 * aa + 2,
        3 * n + 1,
    ]
    assert targets.dtype == np.int16


def edit_distance(reference: list[int], hypothesis: list[int]) -> int:
    @cache
    def rest(i: int, j: int) -> int:
        if i == len(reference) or j == len(hypothesis):
            return len(reference) - i + len(hypothesis) - j
        if reference[i] == hypothesis[j]:
            return rest(i + 1, j + 1)
        return 1 + min(rest(i + 1, j + 1), rest(i + 1, j), rest(i, j + 1))

    return rest(0, 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(sequences, sequences), min_size=1, max_size=5))
def test_errors_are_a_minimal_edit_distance(pairs: list[tuple[list[int], list[int]]]) -> None:
    references = [p for reference, _ in pairs for p in reference]
    if not references:
        return
    hypotheses = [p for _, hypothesis in pairs for p in hypothesis]
    errors = score(references, [len(r) for r, _ in pairs], hypotheses, [len(h) for _, h in pairs])
    counted = errors.substitutions + errors.deletions + errors.insertions
    assert counted.tolist() == [edit_distance(r, h) for r, h in pairs]
    # A reference phone is matched, substituted or deleted; a hypothesis phone is matched, substituted or inserted.
    assert (errors.insertions - errors.deletions).tolist() == [len(h) - len(r) for r, h in pairs]
    assert (errors.substitutions + errors.deletions <= errors.reference_phones).all()
    assert errors.percent == pytest.approx(100 * counted.sum() / len(references))
    assert np.array_equal(np.isnan(errors.per_utterance), errors.reference_phones == 0)


def test_known_errors() -> None:
    errors = score([1, 2, 3, 4, 7, 7], [4, 2], [1, 9, 4, 7, 8, 7, 7], [3, 4])
    assert errors.substitutions.tolist() == [1, 0]
    assert errors.deletions.tolist() == [1, 0]
    assert errors.insertions.tolist() == [0, 2]
    assert errors.percent == pytest.approx(100 * 4 / 6)
    assert errors.per_utterance.tolist() == [50, 100]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"index 61 at position 1 is not in 0\.\.60"):
        fold([0, 61], FOLD_61_TO_39)
    with pytest.raises(ValueError, match="add up to 2 phones"):
        fold_utterances([0, 1], [3], FOLD_61_TO_39)
    with pytest.raises(ValueError, match="2 hypotheses against 1 references"):
        score([0], [1], [0, 0], [1, 1])
    with pytest.raises(ValueError, match="without a single phone"):
        score([], [0], [0], [1])
    with pytest.raises(ValueError, match="one state per frame"):
        frame_targets([0, 0], [0])
