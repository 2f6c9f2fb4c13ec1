"""Greedy decoders and their errors against searches and distances written differently."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.phones.decoders import decoder_of
from dse.phones.greedy import FIRST, LAST, CtcDecoder, FrameDecoder, check_labels
from models.workload import InputError

LABELS = ("a", "b", "c")


@st.composite
def outputs(draw, wide):
    """Logits [N, wide], of few values so that ties are common, and lengths [U], empty utterances among them."""
    lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=5))
    values = st.lists(st.integers(-2, 2), min_size=wide, max_size=wide)
    rows = draw(st.lists(values, min_size=sum(lengths), max_size=sum(lengths)))
    return np.array(rows, np.float32).reshape(-1, wide), lengths


def utterances(logits, lengths):
    ends = np.cumsum(lengths)
    return [logits[end - length : end].tolist() for end, length in zip(ends, lengths, strict=True)]


def split_by(labels, counts):
    return [part.tolist() for part in np.split(labels, np.cumsum(counts)[:-1])]


@given(outputs(len(LABELS) + 1), st.sampled_from([FIRST, LAST]))
def test_ctc_is_the_first_highest_outputs_grouped_without_blanks(case, blank):
    logits, lengths = case
    decoder = CtcDecoder(LABELS, blank)
    order = ["", *LABELS] if blank == FIRST else [*LABELS, ""]
    expected = []
    for frames in utterances(logits, lengths):
        best = [order[frame.index(max(frame))] for frame in frames]
        expected.append([label for label, _ in itertools.groupby(best) if label])
    found, counts = decoder.decode(logits, lengths)
    assert found.dtype == np.int16 and counts.dtype == np.int64
    assert [[LABELS[place] for place in part] for part in split_by(found, counts)] == expected
    assert decoder.decode(logits.astype(np.int16), lengths, bits=3)[0].tolist() == found.tolist()


@given(st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=4), st.sampled_from([FIRST, LAST]))
def test_a_path_that_spells_a_text_is_decoded_to_it(texts, blank):
    """Also where a label is repeated: a blank stands between."""
    decoder = CtcDecoder(LABELS, blank)
    paths = []
    for text in texts:
        path = [decoder.blank_output]
        for label in text:
            path += [label + (blank == FIRST)] * 2 + [decoder.blank_output]
        paths.append(path)
    logits = np.eye(len(LABELS) + 1, dtype=np.float32)[np.concatenate(paths)]
    assert split_by(*decoder.decode(logits, [len(path) for path in paths])) == texts


def distance(one, other):
    """Edit distance by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance(one[1:], other[1:]) + (one[0] != other[0]), distance(one[1:], other) + 1, distance(one, other[1:]) + 1
    )


SHORT = st.lists(st.integers(0, 2), max_size=5)


@settings(deadline=None)  # the distance is compiled at first
@given(st.lists(st.tuples(SHORT, SHORT), min_size=1, max_size=4))
def test_label_errors_are_the_edit_distance(pairs):
    found, wanted = zip(*pairs, strict=True)
    if not any(wanted):
        return
    flat = [np.concatenate([np.array(row, np.int64) for row in rows]) for rows in (found, wanted)]
    counts = [[len(row) for row in rows] for rows in (found, wanted)]
    errors = CtcDecoder(LABELS).errors(flat[0], counts[0], flat[1], counts[1])
    total = errors.substitutions + errors.deletions + errors.insertions
    assert total.tolist() == [distance(one, other) for one, other in pairs]
    assert (errors.deletions - errors.insertions).tolist() == [len(w) - len(f) for f, w in pairs]
    assert errors.percent == pytest.approx(100 * total.sum() / sum(counts[1]))


@given(outputs(len(LABELS)), st.data())
def test_frame_errors_are_the_frames_with_another_label(case, data):
    logits, lengths = case
    if not len(logits):
        return
    wanted = data.draw(st.lists(st.integers(0, 2), min_size=len(logits), max_size=len(logits)))
    decoder = FrameDecoder(LABELS)
    labels, counts = decoder.decode(logits, lengths)
    assert counts.tolist() == lengths
    errors = decoder.errors(labels, counts, wanted, lengths)
    wrong = [frame.index(max(frame)) != label for frame, label in zip(logits.tolist(), wanted, strict=True)]
    assert errors.substitutions.tolist() == [sum(part) for part in utterances(np.array(wrong), lengths)]
    assert not errors.deletions.any() and not errors.insertions.any()
    assert errors.percent == pytest.approx(100 * np.mean(wrong))


def test_frames_of_other_utterances_cannot_be_scored():
    decoder = FrameDecoder(LABELS)
    with pytest.raises(ValueError, match="cannot be scored"):
        decoder.errors([0, 1], [2], [0, 1, 1], [3])
    with pytest.raises(ValueError, match="cannot be scored"):
        decoder.errors([0, 1], [1, 1], [0, 1], [2])


@pytest.mark.parametrize("decoder", [CtcDecoder(LABELS, LAST), CtcDecoder(("é", "|")), FrameDecoder(LABELS)])
def test_a_decoder_comes_back_from_its_card(decoder):
    assert decoder_of(decoder.to_json(), decoder.to_arrays()) == decoder


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"kind": "beam"}, "decoder 'beam' is none of viterbi, ctc, frames"),
        ({"kind": ["ctc"]}, "is none of viterbi, ctc, frames"),
        ({"kind": "ctc"}, "decoder ctc: no list of labels"),
        ({"kind": "ctc", "labels": ["a"], "blank": "0"}, "the blank is '0', it can be first or last"),
        ({"kind": "frames", "labels": []}, "0 labels; there can be 1 to 32767"),
        ({"kind": "frames", "labels": ["a", "a"]}, "label 2, 'a', is there twice"),
        ({"kind": "frames", "labels": ["a", " "]}, "label 2 is ' '; it must be a text without spaces"),
        ({"kind": "ctc", "labels": ["a", 3]}, "label 2 is 3; it must be a text"),
    ],
)
def test_a_decoder_that_cannot_be_is_one_line(named, message):
    with pytest.raises(InputError, match=message):
        decoder_of(named, {})


@pytest.mark.parametrize("named", [None, "none: priors are not in pytorch-kaldi's files", {"kind": "viterbi"}, {}])
def test_without_arrays_there_is_no_viterbi_decoder(named):
    assert decoder_of(named, {}) is None


def test_logits_that_do_not_fit_are_one_line():
    decoder = CtcDecoder(LABELS)
    with pytest.raises(InputError, match=r"logits must be \[frames, 4\] with frames = 3"):
        decoder.decode(np.zeros((3, 3)), [3])
    with pytest.raises(InputError, match="with frames = 2"):
        decoder.decode(np.zeros((3, 4)), [2])
    with pytest.raises(InputError, match="not finite"):
        decoder.decode(np.full((3, 4), np.nan), [3])
    check_labels(LABELS)
