"""A small folder as the Kaldi corpus wants it, written by kaldiio."""

from pathlib import Path

import numpy as np
from kaldiio import WriteHelper

from dse.phones.sets import PHONES_48

COLUMNS = 40
SENONES = 3 * len(PHONES_48) + 10  # the last ten are second senones of the first ten states
SPEAKERS = {"train": ("ta", "tb"), "validation": ("va",), "test": ("sa", "sb")}


def phone_map() -> str:
    lines = [f"{3 * index + state} {phone} {state}\n" for index, phone in enumerate(PHONES_48) for state in range(3)]
    return "".join(
        lines + [f"{3 * len(PHONES_48) + extra} {PHONES_48[extra // 3]} {extra % 3}\n" for extra in range(10)]
    )


def write_kaldi(
    root: Path, compression: int | None = None, means: bool = False, constant: int | None = None
) -> dict[str, dict[str, tuple]]:
    """Two utterances a speaker, three to eight phones each; returns {split: {name: (features, senones, phones)}}.

    Feature `constant` never varies.
    """
    rng = np.random.default_rng(0)
    root.mkdir(exist_ok=True)
    (root / "phone_map.txt").write_text(phone_map())
    contents: dict[str, dict[str, tuple]] = {}
    for split, speakers in SPEAKERS.items():
        folder = root / split
        folder.mkdir()
        arks = f"ark,scp:{folder}/{{0}}.ark,{folder}/{{0}}.scp"
        written = contents[split] = {}
        for speaker in speakers:
            for number in range(2):
                phones = rng.choice(len(PHONES_48), rng.integers(3, 9), replace=False)
                runs = [(3 * phone + state, rng.integers(1, 5)) for phone in phones for state in range(3)]
                senones = np.repeat(*np.array(runs).T).astype(np.int32)
                features = rng.normal(5, 2, (len(senones), COLUMNS)).astype(np.float32)
                if constant is not None:
                    features[:, constant] = 15.942385
                written[f"{speaker}_{number}"] = (features, senones, [PHONES_48[phone] for phone in phones])
        with (
            WriteHelper(arks.format("feats"), compression_method=compression) as feats,
            WriteHelper(arks.format("ali")) as ali,
        ):
            for name, (features, senones, _) in written.items():
                feats(name, features)
                ali(name, senones)
        if means:
            with WriteHelper(arks.format("cmvn")) as cmvn:
                for speaker in speakers:
                    own = np.concatenate([f for name, (f, _, _) in written.items() if name.startswith(speaker)])
                    sums = np.append(own.sum(axis=0, dtype=np.float64), len(own))
                    cmvn(speaker, np.stack([sums, np.zeros_like(sums)]))
        (folder / "utt2spk").write_text("".join(f"{name} {name[:2]}\n" for name in written))
        (folder / "text").write_text("".join(f"{name} {' '.join(p)}\n" for name, (_, _, p) in written.items()))
    return contents
