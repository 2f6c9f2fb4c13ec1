"""Synthesise the whole corpus anew and rewrite its card: `python -m dse.corpora.synthetic`."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Utterance, content_fingerprint
from dse.corpora.synthetic.corpus import CARD, ENGINE, SyntheticCorpus, prints, synthesise
from dse.corpora.synthetic.speaker import UTTERANCES, load_utterances, speaker_names
from dse.phones.sets import PHONES_61


def make_card() -> dict[str, Any]:
    """Synthesise all speakers, without the cache, and return the card: engine, fingerprints, counts, inventory."""
    card: dict[str, Any] = {"name": SyntheticCorpus.name, "engine": f"{ENGINE} {version(ENGINE)}"}
    card |= {"splits": {}, "speakers": {}}
    with tempfile.TemporaryDirectory() as folder:
        for split in SPLITS:
            count = UTTERANCES[split]
            files = {Path(folder) / f"{speaker}.npz": (speaker, count) for speaker in speaker_names(split)}
            synthesise(files)
            utterances: list[Utterance] = []
            for path, (speaker, _) in files.items():
                own = load_utterances(path, speaker, count)
                card["speakers"][speaker] = prints(own, complete=True)
                utterances += own
            phones = Counter(segment.phone for utterance in utterances for segment in utterance.segments)
            card["splits"][split] = {
                "fingerprint": content_fingerprint(utterances),
                "speakers": len(files),
                "utterances": len(utterances),
                "hours": round(sum(len(u.samples) for u in utterances) / SAMPLE_RATE_HZ / 3600, 4),
                "phones": {phone: phones[phone] for phone in PHONES_61 if phone in phones},
                "phones_missing": [phone for phone in PHONES_61 if phone not in phones],
            }
    return card


if __name__ == "__main__":
    made = make_card()
    CARD.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    for name, figures in made["splits"].items():
        seconds = figures["hours"] * 3600 / figures["utterances"]
        print(
            f"{name}: {figures['speakers']} speakers, {figures['utterances']} utterances, {seconds:.2f} s on average, "
            f"{figures['hours']:.2f} h, {sum(figures['phones'].values())} phones, "
            f"not in the inventory: {' '.join(figures['phones_missing']) or 'none'}, {figures['fingerprint'][:16]}"
        )
