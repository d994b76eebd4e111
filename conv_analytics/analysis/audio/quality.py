"""Verdicts on the audio of legs and calls: good, fair, poor or unmeasured, each with its rule and its evidence."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.audio import expected_silence as excuses
from conv_analytics.analysis.audio import measures as m
from conv_analytics.analysis.audio.detect_units import units_of
from conv_analytics.analysis.audio.profiles import LEVELS, NO_PACKETS_NEEDED, PROFILES, Profile, Rule, profile_of
from conv_analytics.analysis.audio.quality_columns import CALL_COLUMNS, EXPLAINING, LEG_COLUMNS, OWN, VERDICT_COLUMNS
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import conversation_or_leg, is_true, one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.analysis.entities.verdicts import RANK, Verdict
from conv_analytics.errors import ColumnNotFound
from conv_analytics.tables.column import Column

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
#: Seconds of silence that give full confidence.
SURE_SILENCE_S = 10.0
#: Prefix of columns of `quality` that a frame of legs has itself.
_OWN = "_own_"
_PLACE = "_place"


@question
def quality(
    data: Any,
    profile: str | Profile = "recommended",
    *,
    units: Units | None = None,
    columns: Sequence[str] | None = None,
    audio_events: Any = None,
) -> Any:
    """One row per leg: the measured values, and a verdict with its rule, value, limit and evidence.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `legs` gives.
    profile
        A name of `PROFILES`, or your own `Profile`.
    units
        What `detect_units` found; detected when absent.
    columns
        The columns wanted; all when absent. Only their inputs are read and computed: for a large dataset request just
        those that you need, such as ``["network_code", "verdict"]``. ``country`` takes longest.

    Returns
    -------
    frame
        Of the same kind as `data`. Some columns of `legs`, then ``loss_pct``, ``jitter_sd_max_ms``, ``mos_emodel`` and
        others (their meanings are in `LEG_COLUMNS`), then the verdict:

        - ``verdict``: poor if a poor rule applies, else fair if a fair one does, else good if every measure that the
          profile requires is there; else unmeasured. Legs with too few packets are unmeasured by all rules about
          packets; silence is judged by bytes and seconds, and ignored where `audio_flow` excuses it: a leg that was
          muted, only listens, or was alone is not poor.
        - ``rule``: the first rule that applies; of an unmeasured leg ``not_answered``, ``no_packets``,
          ``packets_unknown`` (flaws without a count), ``too_few_packets``, ``no_`` and the missing measure, or, of all
          legs, ``loss_unit_unknown`` or ``mos_scale_unknown`` (see `detect_units`).
        - ``confidence``: the amount of evidence (packets by twice the packets needed, for silence seconds by 10, at
          most 1), halved if the unit of the loss had to be assumed, halved if the sequence numbers were reset, and for
          fair times the share of required measures that are there. 0 for unmeasured. A weight, not a probability.

    Notes
    -----
    Delay, echo, and the moment at which a call went bad are not in the export. The numbers describe what the platform
    received: losses on the way to a listener do not show.

    Columns of a frame of legs that are named like those above, such as ``verdict``, are replaced here, as in
    `call_quality`, `compare_profiles`, `mos_audit` and `show_verdicts`: these judge. Every question that counts legs
    by their verdict or flow (`findings`, `offenders`, `compare`, `change_points`, `check`, `cost`, a report, the
    explorer) takes what the frame says instead of judging, whatever the profile.

    Examples
    --------
    >>> import pandas as pd
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "answered": True, "talk_s": 60.0,
    ...     "hangup_event_id": [8, 9], "mos_score": [4.5, 4.42], "quality_percentage": [100.0, 95.0],
    ...     "jitter_min_var": 1.0, "jitter_max_var": 100.0, "jitter_loss_rate": [0.0, 0.06], "flaw_total": [0, 150],
    ...     "packet_cnt": [0, 2900], "packet_loss_perc": [0.0, 6.0], "byte_in": [0, 498800], "byte_out": 500000})
    >>> quality(legs)[["leg_id", "loss_pct", "mos_emodel", "verdict", "rule", "value", "limit"]].round(2)
      leg_id  loss_pct  mos_emodel verdict       rule  value  limit
    0      a       NaN         NaN    poor   no_audio    1.0    1.0
    1      b       6.0        3.82    poor  loss_poor    6.0    5.0
    """
    source = Source.of(data)
    own = source.dimension_columns
    known = (*LEG_COLUMNS, *VERDICT_COLUMNS, *(Column(name, str, "") for name in own))
    for name in columns or ():
        if name not in {column.name for column in known}:
            raise ColumnNotFound("of quality()", name, [column.name for column in known])
    wanted = known if columns is None else [column for column in known if column.name in columns]
    describing = {*m.DESCRIBING, *m.KEYS, *own}
    described = None if columns is None else {column.name for column in wanted if column.name in describing}
    rows, _ = judged_legs(source, profile, units, described, audio_events=audio_events)
    by = m.KEYS if columns is None else [name for name in m.KEYS if name in columns]
    return rows.result(wanted, by=by)


@question
def call_quality(data: Any, profile: str | Profile = "recommended", *, units: Units | None = None) -> Any:
    """One row per conversation: the verdict of its worst measured leg.

    Parameters
    ----------
    data, profile, units
        As for `quality`.

    Returns
    -------
    frame
        Scores are the lowest of the measured legs, never a mean: one bad leg spoils a call. ``measured`` and ``legs``
        tell how much of the call was measured, and ``partial`` that some leg was not: a good call that is partial is
        good as far as it was measured.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=30) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> calls = call_quality(frames)
    >>> bool((calls["measured"] <= calls["legs"]).all())
    True
    """
    rows, _ = judged_legs(Source.of(data), profile, units, m.KEYS)
    rows = rows.with_columns(
        _call=conversation_or_leg(),
        _rank=_by_word("verdict", RANK),
        _seen=nw.when(nw.col("verdict") != Verdict.UNMEASURED).then(nw.lit(1)).otherwise(nw.lit(0)),
    )
    seen = nw.col("_seen") == 1
    expected = nw.col("_packets") / (nw.col("loss_pct") * -1.0 + 100.0) * 100.0
    weighed = seen & (nw.col("_packets") > 0) & (nw.col("loss_pct") < 100)  # noqa: PLR2004  percent
    rows = rows.with_columns(
        _expected=nw.when(weighed).then(expected),
        _lost=nw.when(weighed).then(expected - nw.col("_packets")),
        _mos=nw.when(seen & (nw.col("mos_trust") != "unmeasured")).then(nw.col("mos_reported")),
        _emodel=nw.when(seen).then(nw.col("mos_emodel")),
        _worse=nw.col("mos_emodel").fill_null(9.0),
        _order=nw.col("_rank") * -1,
    )
    rows = rows.materialized()
    together = rows.group(
        ["_call"],
        nw.len().alias("_legs"),
        nw.col("_seen").sum().alias("_measured"),
        nw.col("_mos").min().alias("_mos_low"),
        nw.col("_emodel").min().alias("_emodel_low"),
        nw.col("_lost").sum().alias("_lost_all"),
        nw.col("_expected").sum().alias("_expected_all"),
    )
    worst = rows.unique(["_call"], keep="first", order_by=["_order", "_worse", "leg_id"])
    worst = worst.select(
        "_call", "conversation_id", "profile", "verdict", "rule", "value", "limit", "evidence_event_id", "confidence",
        nw.col("leg_id").alias("worst_leg_id"),
    )  # fmt: skip
    together = together.with_columns(
        legs=nw.col("_legs").cast(nw.Int64()), measured=nw.col("_measured").cast(nw.Int64())
    )
    done = worst.join(together, on="_call", how="inner").with_columns(
        partial=(nw.col("measured") > 0) & (nw.col("measured") < nw.col("legs")),
        mos_reported=nw.col("_mos_low"),
        mos_emodel=nw.col("_emodel_low"),
        loss_pct=nw.when(nw.col("_expected_all") > 0).then(nw.col("_lost_all") / nw.col("_expected_all") * 100.0),
    )
    return done.result(CALL_COLUMNS, by=("conversation_id", "worst_leg_id"))


@question
def compare_profiles(
    data: Any, profiles: Iterable[str | Profile] = tuple(PROFILES), *, units: Units | None = None
) -> Any:
    """One row per leg: its verdict under each rulebook, side by side.

    Legs on which rulebooks disagree are the ones to listen to.

    Parameters
    ----------
    data, units
        As for `quality`.
    profiles
        The rulebooks; every named one when absent.

    Returns
    -------
    frame
        The leg's keys and measures, a column per profile with its verdict, ``poor`` and ``good`` (how many rulebooks
        say so) and ``disagree`` (some say poor, others good).

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=30) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> side_by_side = compare_profiles(frames, ["recommended", "strict"])
    >>> bool((side_by_side["poor"] + side_by_side["good"] <= 2).all())
    True
    """
    books = [profile_of(each) for each in profiles]
    rows, detected = measured_legs(Source.of(data), units, m.KEYS)
    for book in books:
        rows = _judged(rows, book, book.required, detected).rename({"verdict": book.name})
        rows = rows.drop("rule", "value", "limit", "_by_packets")
    for verdict in (Verdict.POOR, Verdict.GOOD):
        total: nw.Expr = nw.lit(0)
        for book in books:
            total = total + one_if(nw.col(book.name) == verdict)
        rows = rows.with_columns(total.alias(verdict.value))
    rows = rows.with_columns(disagree=(nw.col("poor") > 0) & (nw.col("good") > 0))
    shown = ("conversation_id", "leg_id", "packet_cnt", "loss_pct", "jitter_sd_max_ms", "mos_reported", "mos_emodel")
    columns = [column for name in shown for column in LEG_COLUMNS if column.name == name]
    columns += [Column(book.name, str, f"Verdict by {book.name}.") for book in books]
    columns += [Column("poor", int, "Rulebooks that say poor."), Column("good", int, "Rulebooks that say good.")]
    return rows.result([*columns, Column("disagree", bool, "Poor to some, good to others.")], by=m.KEYS)


def judged_legs(
    source: Source, profile: str | Profile, units: Units | None, columns: Collection[str] | None = None, *,
    more: Sequence[Column] = (), audio_events: Any = None,
) -> tuple[Rows, Units]:  # fmt: skip
    """Legs measured by `measured_legs`, with the verdict of a rulebook; and the units.

    Columns of `quality` among `more` are those of the frame itself, whatever the rulebook says.
    """
    rows, detected = measured_legs(source, units, columns, more=more, audio_events=audio_events)
    rows = verdicts(rows, profile_of(profile), detected).checkpointed()
    own = [column.name for column in more if column.name in OWN]
    if "verdict" in own:
        # What explains the verdict of the rulebook says nothing about another one.
        nulls = {str: nw.lit(None).cast(nw.String()), float: nw.lit(None).cast(nw.Float64())}
        rows = rows.with_columns(nulls[OWN[name].kind].alias(name) for name in EXPLAINING)
    return rows.with_columns(nw.col(_OWN + name).alias(name) for name in own) if own else rows, detected


def with_verdicts(
    legs: pd.DataFrame, profile: str | Profile, names: Collection[str], *, units: Units | None = None,
    audio_events: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """Legs in memory, each once, with further columns of `quality`; those that they have stay as they are."""
    names = [name for name in names if name not in legs.columns]
    # By number: nothing else tells legs without an id apart.
    source = Source.of(legs.assign(**{_PLACE: range(len(legs))}))
    more = [Column(_PLACE, int, ""), *(OWN[name] for name in legs.columns if name in OWN)]
    rows, _ = judged_legs(source, profile, units, more=more, audio_events=audio_events)
    judged = coerce.with_answer_dtypes(
        rows.select(_PLACE, *names).collect(), {name: OWN[name].kind for name in names}
    ).set_index(_PLACE)
    return legs.assign(**{name: judged[name].reindex(range(len(legs))).set_axis(legs.index) for name in names})


def measured_legs(
    source: Source, units: Units | None = None, columns: Collection[str] | None = None, *,
    more: Sequence[Column] = (), audio_events: Any = None,
) -> tuple[Rows, Units]:  # fmt: skip
    """Measure the legs of opened data; its units are detected if they are not given.

    With the descriptive columns of legs, or those of `columns`; a frame of legs keeps the ones it has, and `more`.
    """
    rows = _legs_once(source, columns, more)
    # Units are detected on the hangups themselves: that is a single query, and the legs are built only once.
    detected = units or units_of(source, rows)
    events = None if audio_events is None else Source.of(audio_events)
    return m.measures(excuses.with_context(rows, events), detected), detected


def _legs_once(source: Source, columns: Collection[str] | None, more: Sequence[Column]) -> Rows:
    """The legs: those of a frame of legs, each once; otherwise built from the tables."""
    if source.single:
        known = {column.name: column for column in (*m.leg_columns(), *more)}
        needed = [*m.NEEDED, *(column.name for column in more)]
        rows = read_each_once(source, [*known.values()], needed=needed, maker="legs()")
        # What a frame says itself is kept apart from what is computed.
        return rows.rename({name: _OWN + name for name in known if name in OWN})
    described = (*m.DESCRIBING, *source.dimension_columns) if columns is None else columns
    return leg_rows(source, {*m.NEEDED, *excuses.LOOKED_AT, *described})


def verdicts(rows: Rows, book: Profile, units: Units) -> Rows:
    """Measured legs with the verdict of a rulebook, its rule, evidence and confidence."""
    required = book.required
    rows = _judged(rows, book, required, units)
    share: nw.Expr = nw.lit(0.0)
    for column in required:
        share = share + nw.when(~nw.col(column).is_null()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    heard, silent = nw.col("_packets") / (2.0 * book.min_packets), nw.col("talk_s") / SURE_SILENCE_S
    amount = nw.when(nw.col("_by_packets") == 1).then(heard).otherwise(silent)
    assumed = "loss_unit" in units.assumed
    doubt = nw.when((nw.col("loss_source") == "packet_loss_perc") & nw.lit(assumed)).then(nw.lit(0.5))
    rows = rows.with_columns(
        _amount=nw.when(amount > 1).then(nw.lit(1.0)).otherwise(amount.fill_null(0.0)),
        _doubt=nw.when(nw.col("_by_packets") == 1).then(doubt.otherwise(nw.lit(1.0))).otherwise(nw.lit(1.0)),
        _reset=nw.when((nw.col("_by_packets") == 1) & (nw.col("mos_trust") == "reset"))
        .then(nw.lit(0.5))
        .otherwise(nw.lit(1.0)),
        _share=nw.when(nw.col("verdict") == Verdict.FAIR).then(share / max(len(required), 1)).otherwise(nw.lit(1.0)),
    )
    weight = nw.col("_amount") * nw.col("_doubt") * nw.col("_reset") * nw.col("_share")
    return rows.with_columns(
        profile=nw.lit(book.name),
        evidence_event_id=nw.col("hangup_event_id"),
        confidence=nw.when(nw.col("verdict") == Verdict.UNMEASURED).then(nw.lit(0.0)).otherwise(weight),
    )


def _judged(rows: Rows, book: Profile, required: Sequence[str], units: Units) -> Rows:
    """Verdict, rule, value and limit; ``_by_packets`` tells whether packets decided, or seconds of silence.

    Without the unit of a measure that the rulebook requires there is no verdict at all: otherwise only legs that are
    poor for another reason would have one, and all shares would be wrong.
    """
    unknown = units.undecided_of(required)
    ordered = [rule for level in LEVELS for rule in book.rules if rule.level == level]
    enough = is_true(nw.col("_packets") >= book.min_packets)
    rules = [(rule, _applies(rule, enough)) for rule in ordered if not unknown]
    whole: nw.Expr = enough & nw.lit(not unknown)
    for column in required:
        whole = whole & ~nw.col(column).is_null()
    none = nw.lit(None).cast(nw.Float64())
    few = (nw.col("_packets") > 0) & ~enough
    return rows.with_columns(
        verdict=_first(rules, lambda rule: nw.lit(rule.level),
                       nw.when(whole).then(nw.lit(Verdict.GOOD)).otherwise(nw.lit(Verdict.UNMEASURED))),
        rule=_first(rules, lambda rule: nw.lit(rule.id), nw.when(~whole).then(_missing(required, enough, unknown))
                    if required else _missing(required, enough, unknown)),
        value=_first(rules, lambda rule: nw.col(rule.column), nw.when(few).then(nw.col("_packets"))),
        limit=_first(rules, lambda rule: nw.lit(float(rule.limit)),
                     nw.when(few).then(nw.lit(float(book.min_packets))).otherwise(none)),
        _by_packets=_first(rules, lambda rule: nw.lit(int(rule.column not in NO_PACKETS_NEEDED)), nw.lit(1)),
    )  # fmt: skip


def _applies(rule: Rule, enough: nw.Expr) -> nw.Expr:
    condition: nw.Expr = _COMPARE[rule.comparison](nw.col(rule.column), rule.limit)
    if rule.also:
        column, comparison, limit = rule.also
        condition = condition & _COMPARE[comparison](nw.col(column), limit)
    return condition if rule.column in NO_PACKETS_NEEDED else condition & enough


def _first(rules: Sequence[tuple[Rule, nw.Expr]], give: Any, otherwise: nw.Expr) -> nw.Expr:
    """The value from the first rule that applies."""
    for rule, condition in reversed(rules):
        otherwise = nw.when(condition).then(give(rule)).otherwise(otherwise)
    return otherwise


def _missing(required: Sequence[str], enough: nw.Expr, unknown: Sequence[str]) -> nw.Expr:
    """What an unmeasured leg lacks."""
    reason: nw.Expr = nw.lit(f"{unknown[0]}_unknown") if unknown else nw.lit(None).cast(nw.String())
    for column in () if unknown else reversed(required):
        reason = nw.when(nw.col(column).is_null()).then(nw.lit(f"no_{column}")).otherwise(reason)
    reason = nw.when(~enough).then(nw.lit("too_few_packets")).otherwise(reason)
    reason = nw.when(nw.col("_packets") == 0).then(
        nw.when(nw.col("_flaws") > 0).then(nw.lit("packets_unknown")).otherwise(nw.lit("no_packets"))
    ).otherwise(reason)  # fmt: skip
    reason = nw.when(nw.col("_packets").is_null()).then(nw.lit("no_packets")).otherwise(reason)
    return nw.when((nw.col("_answered") == 0) & (nw.col("_heard") == 0)).then(nw.lit("not_answered")).otherwise(reason)


def _by_word(column: str, numbers: dict[str, int]) -> nw.Expr:
    rank: nw.Expr = nw.lit(0)
    for word, number in numbers.items():
        rank = nw.when(nw.col(column) == word).then(nw.lit(number)).otherwise(rank)
    return rank


__all__ = ["call_quality", "compare_profiles", "judged_legs", "measured_legs", "quality", "verdicts",
           "with_verdicts"]  # fmt: skip
