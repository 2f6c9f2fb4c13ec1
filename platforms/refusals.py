"""Reasons why a platform refuses a configuration: a line each, with what is asked for and what the platform takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from models.workload import INTEGER_BITS, BitPair, StoredScales


def unsupported_bits(platform: str, supported: Sequence[BitPair], matvec: str, bits: BitPair) -> str:
    """Reason why a matvec's widths are refused: the nearest pair, the gap in bits, all valid pairs."""
    nearest = min(supported, key=lambda pair: (_gap(pair, bits), pair))
    valid = ", ".join(f"{w}x{a}" for w, a in supported)
    return (
        f"{matvec}: weights x activations {bits[0]}x{bits[1]} bit, nearest on {platform} is "
        f"{nearest[0]}x{nearest[1]} bit, gap {_gap(nearest, bits)} bit; valid: {valid}"
    )


def scheme_refusals(
    platform: str, row_scales: bool, zero_points: bool, stored: StoredScales, bits: Collection[BitPair]
) -> list[str]:
    """Reasons why a quantization scheme is refused; `bits` holds a pair for each matvec.

    16-bit and float operands have neither scales by row nor zero points, so that only integer ones can be refused.
    """
    reasons = []
    weights = sum(weight_bits in INTEGER_BITS for weight_bits, _ in bits)
    if weights and stored.row_scale_bits and not row_scales:
        have = f"{weights} of {len(bits)} matvecs have integer weights with a scale for each row"
        reasons.append(f"{have}; {platform} takes one scale a matrix")
    activations = sum(act_bits in INTEGER_BITS for _, act_bits in bits)
    if activations and stored.zero_point_bits and not zero_points:
        have = f"{activations} of {len(bits)} matvecs have integer activations with a zero point"
        reasons.append(f"{have}; {platform} takes symmetric ones only")
    return reasons


def _gap(pair: BitPair, bits: BitPair) -> int:
    return abs(pair[0] - bits[0]) + abs(pair[1] - bits[1])
