"""Call-quality numbers as FreeSWITCH makes them (call-quality.md 0 and M3-M6).

Flaws give an integer R, R gives the MOS; jitter is a variance in ms^2; a leg without packets reports the
start values 4.5 and 100. Bad legs are bad for a reason: loss, one-way audio, dead air, a sequence reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.dice import Dice

Json = dict[str, Any]

PACKETS_PER_SECOND = 50
PERFECT_R = 100
RATE_REFRESH_S = 5
BYTES_PER_PACKET = {"phone": 172, "sip": 172, "vbc": 172, "websocket": 640, "app": 96}


@dataclass(frozen=True, slots=True)
class Measured:
    """The platform's measurements of one leg; `mos` in hundredths, so that sums stay exact."""

    mos: int
    quality: int
    jitter_min: float
    jitter_max: float
    loss_rate: float
    burst_rate: float
    flaws: int
    packets: int
    loss_percent: float
    byte_in: int
    byte_out: int

    def quality_json(self) -> Json:
        """Write the `quality` object (contract 7.9)."""
        return {
            "mos_score": self.mos / 100,
            "quality_percentage": self.quality,
            "jitter_min_var": self.jitter_min,
            "jitter_max_var": self.jitter_max,
            "jitter_loss_rate": self.loss_rate,
            "jitter_burst_rate": self.burst_rate,
            "flaw_total": self.flaws,
            "packet_cnt": self.packets,
            "packet_loss_perc": self.loss_percent,
        }


def mos_hundredths(r: int) -> int:
    """Turn R (0..100) into MOS x 100 by the G.107 curve FreeSWITCH uses; 100 gives 450."""
    return min(450, round(100 * (1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))))


def no_media() -> Measured:
    """Return what a leg without packets reports: the start values."""
    return Measured(450, PERFECT_R, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0, 0)


def _losses(dice: Dice, packets: int, share: float) -> tuple[int, int]:
    """Return lost packets and the flaws they cost: a gap of k packets costs k + 2."""
    lost = round(packets * share)
    burst = dice.pick((1, 1, 2, 3, 8))
    return lost, lost + 2 * (-(-lost // burst))


def measure(dice: Dice, seconds: float, kind: str, fault: str = "") -> Measured:
    """Measure a leg with `seconds` of media; `fault` is "", loss, eight_percent, one_way, dead_air or reset."""
    packets = int(seconds * PACKETS_PER_SECOND * dice.real(0.97, 1.0, 4))
    size = BYTES_PER_PACKET.get(kind, 172)
    if packets <= 0 or fault == "dead_air":
        return no_media()
    loss_share = {"loss": dice.real(0.04, 0.22, 4), "": dice.pick((0.0, 0.0, 0.0, dice.real(0, 0.008, 4)))}
    share = dice.real(0.06, 0.1, 4) if fault == "eight_percent" else loss_share.get(fault, 0.001)
    lost, flaws = _losses(dice, packets, share)
    received = max(packets - lost, 1)
    r = PERFECT_R * (received - flaws) // received
    quality = r if 0 <= r < PERFECT_R else PERFECT_R  # more flaws than packets falls back to the start value
    fresh = seconds >= RATE_REFRESH_S
    rate = round(lost / received, 4) if fresh else 0.0
    if fault == "reset":
        rate = dice.real(1.3, 334, 2)
    jitter_min = dice.real(0.1, 8)
    worst = dice.real(900, 6400) if fault in {"loss", "eight_percent"} else dice.real(12, 420)
    byte_in = dice.between(0, 12) * size if fault == "one_way" else received * size
    return Measured(
        mos=mos_hundredths(quality),
        quality=quality,
        jitter_min=jitter_min,
        jitter_max=round(jitter_min + worst, 2),
        loss_rate=rate,
        burst_rate=round(abs(1 - min(rate, 1.0)), 2) if rate else 0.0,
        flaws=flaws,
        packets=dice.between(0, 12) if fault == "one_way" else received,
        loss_percent=round(100 * lost / packets, 2),
        byte_in=byte_in,
        byte_out=packets * size + dice.between(0, 900),
    )
