"""Training, validation and test speakers of TIMIT.

The whole corpus has the standard split: the 462 speakers of TRAIN train, 50 speakers of TEST validate and the 24
speakers of the core test set test; the other 94 speakers of TEST are left out. A part of the corpus that lacks one of
the three (samples, incomplete copies) gets a split of its own: what is lacking is held out of TRAIN. Speakers of TEST
never train, and none but those 50 validate, whatever is lacking. Where no folder is called TRAIN or TEST, the lists
alone tell who is of TEST.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dse.corpora.base import SPLITS
from models.workload import InputError

# Source: Kaldi, egs/timit/s5/conf/dev_spk.list.
VALIDATION_SPEAKERS = frozenset(
    """
    FAKS0 FDAC1 FJEM0 MGWT0 MJAR0 MMDB1 MMDM2 MPDF0 FCMH0 FKMS0 MBDG0 MBWM0 MCSH0 FADG0 FDMS0 FEDW0 MGJF0 MGLB0 MRTK0
    MTAA0 MTDT0 MTHC0 MWJG0 FNMR0 FREW0 FSEM0 MBNS0 MMJR0 MDLS0 MDLF0 MDVC0 MERS0 FMAH0 FDRW0 MRCS0 MRJM4 FCAL1 MMWH0
    FJSJ0 MAJC0 MJSW0 MREB0 FGJD0 FJMG0 MROA0 MTEB0 MJFC0 MRJR0 FMML0 MRWS1
    """.split()  # noqa: SIM905
)
# Source: Kaldi, egs/timit/s5/conf/test_spk.list; the core test set of TIMIT's own documentation (TESTSET.DOC).
TEST_SPEAKERS = frozenset(
    """
    MDAB0 MWBT0 FELC0 MTAS1 MWEW0 FPAS0 MJMP0 MLNT0 FPKT0 MLLL0 MTLS0 FJLM0 MBPM0 MKLT0 FNLP0 MCMJ0 MJDH0 FMGD0 MGRT0
    MNJM0 FDHC0 MJLN0 MPAM0 FMLD0
    """.split()  # noqa: SIM905
)
TRAIN_SPEAKERS = 462  # all of TRAIN
HELD_OUT_FRACTION = 1 / 8  # of the training speakers, for each split that lacks speakers
NOT_COMPARABLE = "not comparable with published figures"


@dataclass(frozen=True)
class SpeakerSplit:
    """Speakers of each split, sorted and disjoint, and a sentence that says how they were chosen."""

    speakers: dict[str, tuple[str, ...]]
    rule: str


def split_speakers(part: Mapping[str, str], region: Mapping[str, str]) -> SpeakerSplit:
    """Split speakers by the standard lists; what these lack in the folder is held out of TRAIN, by `hold_out`.

    `part` of each speaker is "train", "test" or "" where unknown, `region` the dialect region or "". Where nobody of
    the core test set is there, other speakers of TEST test. Raises InputError where TRAIN has too few speakers.
    """
    listed = {"validation": VALIDATION_SPEAKERS & part.keys(), "test": TEST_SPEAKERS & part.keys()}
    of_test = {speaker for speaker in part if part[speaker] == "test"}.union(*listed.values())
    train = part.keys() - of_test
    official = {"train": train, **listed}
    if all(official.values()):
        return SpeakerSplit(
            {split: tuple(sorted(names)) for split, names in official.items()}, _standard_rule(official)
        )
    found = listed | {"test": listed["test"] or of_test - listed["validation"]}
    lacking = [split for split, names in found.items() if not names]
    if len(train) <= len(lacking):
        raise InputError(
            f"TIMIT with {len(train)} speakers outside of TEST cannot be split: speakers of TEST never train, "
            f"and at least {len(lacking) + 1} others are needed"
        )
    held = hold_out({speaker: region[speaker] for speaker in train}, lacking)
    splits = found | held | {"train": train.difference(*held.values())}
    sources = {"train": ""} | dict.fromkeys(held, " held out of training")
    told = ", ".join(f"{split} {len(splits[split])}{sources.get(split, ' of TEST')}" for split in SPLITS)
    return SpeakerSplit(
        {split: tuple(sorted(splits[split])) for split in SPLITS}, f"own split by speaker: {told}; {NOT_COMPARABLE}"
    )


def _standard_rule(splits: Mapping[str, Iterable[str]]) -> str:
    whole = dict(zip(SPLITS, (TRAIN_SPEAKERS, len(VALIDATION_SPEAKERS), len(TEST_SPEAKERS)), strict=True))
    rule = "standard split (TRAIN, Kaldi's 50 development speakers, the 24 core test speakers)"
    counts = {split: len(set(splits[split])) for split in whole}
    if counts == whole:
        return rule
    lacking = ", ".join(f"{split} {counts[split]} of {count}" for split, count in whole.items())
    return f"{rule}, incomplete: {lacking} speakers; {NOT_COMPARABLE}"


def hold_out(region: Mapping[str, str], splits: Iterable[str]) -> dict[str, set[str]]:
    """Hold an eighth of the speakers, at least one, out for each of `splits`; of two splits the last gets the odd one.

    Each split has women and men as all have, to within one, where names tell them (F..., M...); of each sex those are
    taken that lie evenly over the dialect regions. `region` of each speaker may be "". 4 speakers leave 2 for training
    beside two splits of 1 and 1, 12 leave 9 beside 1 and 2, 16 leave 12 beside 2 and 2.
    """
    wanted = list(splits)
    total = max(len(wanted), int(len(region) * HELD_OUT_FRACTION * len(wanted)))
    sizes = [(total + place) // len(wanted) for place in range(len(wanted))]
    groups = [sorted(group, key=lambda speaker: (region[speaker], speaker)) for group in _sexes(region)]
    shares = [len(group) / len(region) for group in groups]
    taken = [0] * len(groups)
    held: dict[str, set[str]] = {}
    for split, size in zip(wanted, sizes, strict=True):
        counts = [0] * len(groups)
        for _ in range(size):
            # The sex that lags most behind its share of all that are held out.
            lags = [share * (sum(taken) + 1) - count for share, count in zip(shares, taken, strict=True)]
            chosen = lags.index(max(lags))
            counts[chosen] += 1
            taken[chosen] += 1
        held[split] = set()
        for group, count in zip(groups, counts, strict=True):
            spread = [group[(2 * place + 1) * len(group) // (2 * count)] for place in range(count)]
            held[split].update(spread)
            group[:] = [speaker for speaker in group if speaker not in held[split]]
    return held


def _sexes(speakers: Iterable[str]) -> list[list[str]]:
    """Speakers called F..., M... and otherwise, as three lists; those that are empty are left out."""
    by_sex: dict[str, list[str]] = {"F": [], "M": [], "": []}
    for speaker in speakers:
        by_sex[speaker[0] if speaker[0] in "FM" else ""].append(speaker)
    return [group for group in by_sex.values() if group]
