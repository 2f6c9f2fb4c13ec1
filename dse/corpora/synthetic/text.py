"""Sentences of the synthetic speakers: a small grammar over written words and invented ones.

Content words are invented more often than not, as strings of espeak mnemonics (`[[st'eIn|3]]`), so that a recogniser
has to hear phones and cannot recall words.
"""

from __future__ import annotations

import numpy as np

INVENTED_FRACTION = 0.6  # of content words

TEMPLATES = (
    "the NOUN VERB the NOUN",
    "the ADJECTIVE NOUN VERB PREPOSITION the NOUN",
    "OWNER NOUN VERB OWNER NOUN",
    "WHO VERB the ADJECTIVE NOUN",
    "WHO VERB OWNER NOUN PREPOSITION the NOUN",
    "WHO never VERB NOUN or NOUN",
    "NOUN and NOUN VERB here",
    "the NOUN, the NOUN and the NOUN",
    "if WHO VERB, the NOUN VERB",
    "how can the NOUN VERB OWNER NOUN",
    "which ADJECTIVE NOUN did WHO VERB",
    "ADJECTIVE NOUN, said the NOUN",
    "there was NOUN PREPOSITION OWNER NOUN",
    "WHO would VERB ADJECTIVE NOUN",
    "VERB the NOUN again",
    "don't VERB that ADJECTIVE NOUN",
)

WORDS = {
    "NOUN": "apple bridge camera captain cheese church cloud coffee dog engine farmer father finger fish flower garden "
    "giraffe hammer house island judge jungle kitchen lamp leather machine measure money morning mouse neighbor "
    "ocean orange paper picture pocket question rabbit river school shadow ship shoulder song spoon station summer "
    "table teacher thunder toy tree uncle valley village voice weather window yard youth zebra",
    "VERB": "asked bought broke brought carried caught changed chose cooked drew enjoyed fed finished followed found "
    "gave hated heard held joined kept knew left liked lost loved made missed moved needed opened pulled pushed "
    "reached sang saw sold taught thanked threw took touched used wanted washed watched wore",
    "ADJECTIVE": "angry big black blue bright broad brown busy cheap clean cold dark deep early easy empty fair famous "
    "green happy heavy huge large loud narrow new noisy old pale poor quick quiet rough sharp short slow small smooth "
    "strange thick thin tiny warm wet white wild wise yellow young",
    "PREPOSITION": "above after around at behind below by for from in near on over through to toward under with "
    "without",
    "OWNER": "my your his her our their its a this every another",
    "WHO": "I you he she they we George Mary Charles Ruth Joyce nobody",
}
CONTENT = ("NOUN", "VERB", "ADJECTIVE")

# Parts of an invented syllable, in espeak mnemonics; a part is drawn as often as it is listed.
ONSETS = (
    "p b t d k g m n f v T D s z S Z tS dZ h l r w j p b t d k g m n f v s z S tS dZ h l r w j ? ? ? "
    "p|l b|l k|l g|l f|l s|l p|r b|r t|r d|r k|r g|r f|r T|r s|t s|p s|k s|m s|n s|w t|w k|w k|j m|j f|j s|t|r s|k|r"
)
STRESSED = "i: I E eI a A: aI aU OI oU O: u: U V 3: " * 2 + "A@ O@ e@ i@ U@"
CODAS = (
    "p t k b d g m n N f v T D s z S tS dZ l t k d m n N s z l v "
    "n|t n|d m|p N|k s|t s|k l|t l|d l|k k|s p|s t|s k|t f|t n|z d|z n|s n|tS n|dZ" + " -" * 14
)
NO_CODA = "-"
WEAK = "@ @ @ I I i i 3 3 @L oU u:"
SYLLABIC = {"n-": "t d s z f", "m-": "s z D", "N-": "k g"}  # nasal: consonants before it
FLAP = "*"  # espeak's alveolar tap


def sentence(rng: np.random.Generator) -> str:
    """Draw one sentence for espeak-ng, invented words as phoneme strings in double brackets."""
    words = []
    for part in TEMPLATES[int(rng.integers(len(TEMPLATES)))].split():
        kind = part.rstrip(",")
        if kind in CONTENT and rng.random() < INVENTED_FRACTION:
            word = f"[[{invented_word(rng)}]]"
        else:
            word = _pick(rng, WORDS[kind]) if kind in WORDS else kind
        words.append(word + part[len(kind) :])
    return " ".join(words) + "."


def invented_word(rng: np.random.Generator) -> str:
    """Draw a word of one to three syllables as espeak mnemonics separated by `|`, stress on the first or second."""
    syllables = int(rng.choice((1, 2, 3), p=(0.4, 0.42, 0.18)))
    stressed = 0 if syllables == 1 or rng.random() < 0.75 else 1
    phonemes: list[str] = []
    for syllable in range(syllables):
        last = syllable == syllables - 1
        if syllable == stressed:
            onset, vowel = _pick(rng, ONSETS), "'" + _pick(rng, STRESSED)
            coda = _pick(rng, CODAS) if last or rng.random() < 0.3 else NO_CODA
        else:
            onset, vowel, coda = _weak_syllable(rng, after_vowel=syllable > 0 and _is_vowel(phonemes[-1]), last=last)
        phonemes += [part for part in (*onset.split("|"), vowel, *coda.split("|")) if part != NO_CODA]
    return "|".join(phonemes)


def _weak_syllable(rng: np.random.Generator, after_vowel: bool, last: bool) -> tuple[str, str, str]:
    """Draw onset, vowel and coda of a syllable without stress: taps between vowels, syllabic nasals, reduced vowels."""
    if last and rng.random() < 0.15:
        nasal = _pick(rng, " ".join(SYLLABIC))
        return _pick(rng, SYLLABIC[nasal]), nasal, NO_CODA
    onset = _pick(rng, ONSETS)
    if after_vowel and rng.random() < 0.25:
        onset = FLAP
    elif onset == "?":
        onset = "n"
    vowel = _pick(rng, WEAK)
    coda = _pick(rng, CODAS) if last and vowel != "@L" and rng.random() < 0.6 else NO_CODA
    return onset, vowel, coda


def _is_vowel(phoneme: str) -> bool:
    return phoneme.lstrip("'") in STRESSED.split() or phoneme in WEAK.split()


def _pick(rng: np.random.Generator, listed: str) -> str:
    choices = listed.split()
    return choices[int(rng.integers(len(choices)))]
