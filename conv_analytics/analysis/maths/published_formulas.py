"""Formulas published by others, for comparison: Twilio's score, RFC 3550's jitter, FreeSWITCH's flaws.

No verdict uses them: round trips and the arrival of single packets are not in an export. They explain why another tool
shows another number for the same call, and what the columns of `hangups` can and cannot show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from conv_analytics.errors import ConfigError

Floats = npt.NDArray[np.float64]


def twilio_mos(rtt_ms: Any, jitter_ms: Any, loss_pct: Any) -> Any:
    """The score that Twilio's Voice SDK shows for a round trip, a jitter and a loss.

    Parameters
    ----------
    rtt_ms, jitter_ms
        Round trip and jitter: numbers or arrays. [ms]
    loss_pct
        Lost packets. [%]

    Returns
    -------
    float or array
        1.0 to 4.5; 1.0 where the loss alone takes the rating to 0, NaN where an input is unknown.

    Notes
    -----
    Effective latency e = rtt + 2 jitter + 10; R = 94.768 - e / 40 below 160 ms, else 94.768 - (e - 120) / 10, and 0
    from a second on; each percent of loss costs 2.5. Source: ``lib/twilio/rtc/mos.ts`` of twilio-voice.js. The
    E-model's penalty for loss is larger at first: 1 % of G.711 with concealment costs 3.6 (`mos_emodel`).

    Examples
    --------
    >>> [round(twilio_mos(*line), 4) for line in ((0, 0, 0), (100, 10, 2), (400, 30, 3))]
    [4.4333, 4.2447, 2.6943]
    """
    rtt, jitter, loss = (np.asarray(value, dtype="float64") for value in (rtt_ms, jitter_ms, loss_pct))
    if np.any(rtt < 0) or np.any(jitter < 0) or np.any((loss < 0) | (loss > 100)):  # noqa: PLR2004  percent
        raise ConfigError("Round trip and jitter are milliseconds from 0 on, and loss is 0 to 100 percent.")
    late = rtt + 2 * jitter + 10
    r = np.where(late < 160, 94.768 - late / 40, np.where(late < 1000, 94.768 - (late - 120) / 10, 0.0))  # noqa: PLR2004
    r = np.where(loss <= r / 2.5, np.maximum(r - 2.5 * loss, 6.52), 0.0)
    r = np.where(np.isnan(late + loss), np.nan, r)
    mos = 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r)
    return float(mos) if mos.ndim == 0 else mos


def rtp_jitter(differences_ms: Iterable[float]) -> list[float]:
    """Interarrival jitter after each packet, as RTP reports it.

    Parameters
    ----------
    differences_ms
        Transit time of each packet less that of the one before. [ms]

    Returns
    -------
    list of float
        J after each packet, 0 or more. [ms]

    Notes
    -----
    J += (abs(D) - J) / 16 (RFC 3550, 6.4.1). ``jitter_max_var`` of `hangups` is something else: the variance of the
    time between packets. Its root is compared with limits, but is not the jitter of RFC 3550.

    Examples
    --------
    >>> [round(jitter, 6) for jitter in rtp_jitter([0, 10, -10, 20, 0])]
    [0.0, 0.625, 1.210938, 2.385254, 2.236176]
    """
    jitter, reported = 0.0, []
    for difference in differences_ms:
        jitter += (abs(difference) - jitter) / 16
        reported.append(jitter)
    return reported


def freeswitch_flaws(sequence: Iterable[int]) -> tuple[int, int]:
    """Packets and flaws of a stream as FreeSWITCH counts them: the meaning of ``flaw_total``.

    A lost packet that stands alone costs three flaws, a gap of ten only twelve: losses in bursts, which listeners like
    least, look best in ``mos_score``.

    Parameters
    ----------
    sequence
        Sequence numbers of the packets that arrived, in order.

    Returns
    -------
    tuple of int
        Packets received, and flaws; `freeswitch_r` computes the rating from them.

    Notes
    -----
    After ``check_jitter`` and ``do_mos`` of FreeSWITCH's ``switch_rtp.c``, without time-outs and DTMF. More flaws than
    packets reset the flaws to 0.

    Examples
    --------
    >>> freeswitch_flaws(n for n in range(1, 1001) if n % 100 != 50)  # ten losses, each alone
    (990, 30)
    >>> freeswitch_flaws(n for n in range(1, 1001) if not 500 <= n < 510)  # one gap of ten
    (990, 12)
    """
    received = flaws = seen = row = 0
    before: int | None = None
    for number in sequence:
        received += 1
        if before is not None and number > before + 1:
            flaws += number - before - 1
        before = number
        if received < flaws:
            flaws = 0
        if flaws and seen != flaws:
            # A penalty for each successive packet at which the flaws have grown; the first is free.
            was, row = row, row + 1
            if was:
                flaws += row
                seen = flaws
        else:
            row = 0
    return received, flaws


__all__ = ["freeswitch_flaws", "rtp_jitter", "twilio_mos"]
