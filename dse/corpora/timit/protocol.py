"""Training, validation and test speakers of TIMIT.

The whole corpus has the standard split: the 462 speakers of TRAIN train, 50 speakers of TEST validate and the 24
speakers of the core test set test; the other 94 speakers of TEST are left out. A part of the corpus that lacks those
speakers (samples) is split by `leave_speakers_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
LEAST_SPEAKERS = 3


@dataclass(frozen=True)
class SpeakerSplit:
    """Speakers of each split, sorted and disjoint, and a sentence that says how they were chosen."""

    speakers: dict[str, tuple[str, ...]]
    rule: str


def split_speakers(part: Mapping[str, str], region: Mapping[str, str]) -> SpeakerSplit:
    """Split speakers by the standard lists, or by `leave_speakers_out` where a split would be empty.

    `part` of each speaker is "train", "test" or "" where unknown, `region` the dialect region or "". Raises InputError
    for fewer than three speakers.
    """
    test_part = {speaker for speaker in part if part[speaker] == "test"}
    splits = {
        "train": tuple(sorted(speaker for speaker in part if part[speaker] == "train")),
        "validation": tuple(sorted(test_part & VALIDATION_SPEAKERS)),
        "test": tuple(sorted(test_part & TEST_SPEAKERS)),
    }
    if not all(splits.values()):
        return leave_speakers_out(sorted(part, key=lambda speaker: (region[speaker], speaker)))
    whole = dict(zip(SPLITS, (TRAIN_SPEAKERS, len(VALIDATION_SPEAKERS), len(TEST_SPEAKERS)), strict=True))
    rule = "standard split (TRAIN, Kaldi's 50 development speakers, the 24 core test speakers)"
    lacking = [f"{split} {len(splits[split])} of {count}" for split, count in whole.items()]
    if any(len(splits[split]) != count for split, count in whole.items()):
        rule += f", incomplete: {', '.join(lacking)} speakers"
    return SpeakerSplit(splits, rule)


def leave_speakers_out(speakers: Sequence[str]) -> SpeakerSplit:
    """Hold out a quarter of the speakers, at least two; the smaller half of them validates, the rest tests.

    The speakers are sorted by dialect region; one is taken of each of as many stretches of equal length, at a place
    that moves on by one, so that regions and, where women and men alternate, both sexes are held out.
    4 speakers give 2 / 1 / 1, 12 give 9 / 1 / 2 and 16 give 12 / 2 / 2. Raises InputError for fewer than three.
    """
    count = len(speakers)
    if count < LEAST_SPEAKERS:
        raise InputError(f"TIMIT with {count} speakers cannot be split; at least {LEAST_SPEAKERS} are needed")
    held_out = max(2, count // 4)
    step = count // held_out
    chosen = [speakers[stretch * step + stretch % step] for stretch in range(held_out)]
    validation, test = chosen[: held_out // 2], chosen[held_out // 2 :]
    train = [speaker for speaker in speakers if speaker not in chosen]
    return SpeakerSplit(
        {"train": tuple(sorted(train)), "validation": tuple(sorted(validation)), "test": tuple(sorted(test))},
        f"own split of a sample, by speaker ({len(train)} / {len(validation)} / {len(test)} speakers); "
        "not comparable with published figures",
    )
