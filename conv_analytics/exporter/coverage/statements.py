"""The SQL of coverage. Only names and words of this package are put into a statement; values are parameters."""

from __future__ import annotations

from collections.abc import Iterable

from conv_analytics.resources import CallStatus
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.voice_calls import MISSING as MISSING_CLASSES
from conv_analytics.tables.voice_calls import CoverageClass
from conv_analytics.time_zones import QUARTER_US

_TYPES = {"timestamp[us, tz=UTC]": "timestamptz", "int64": "bigint", "decimal128(28, 18)": "decimal(28, 18)"}
#: Final statuses.
_FINAL = (
    CallStatus.COMPLETED,
    CallStatus.BUSY,
    CallStatus.CANCELLED,
    CallStatus.FAILED,
    CallStatus.REJECTED,
    CallStatus.TIMEOUT,
    CallStatus.UNANSWERED,
)
#: The classes that a leg keeps when nothing new is known of it: a conversation that can no longer be read stays
#: unreadable.
_LASTING = (CoverageClass.TRANSIENT_MISSED, CoverageClass.EXPIRED, CoverageClass.OTHER_REGION)
#: The events of a file originally came from a list.
_LISTS = (EventSource.LIST, EventSource.FILE, EventSource.BOTH)
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _leg(column: str) -> str:
    return f"lower(replace({column}, '-', ''))"


def _conversation(column: str) -> str:
    # Some samples write a conversation's id without its prefix (live contract 10, no. L14).
    return f"case when regexp_full_match({column}, '{_UUID}') then 'CON-' || {column} else {column} end"


def columns(table: Table) -> str:
    """The columns of the table, quoted."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


def normalised(owner: str = "") -> str:
    """The leg and the conversation in the form in which they are compared."""
    return f"{_leg(f'{owner}leg_id')} as leg, {_conversation(f'{owner}conversation_id')} as conversation"


def listed(table: Table) -> str:
    """The legs as listed."""
    named = ", ".join(f'"{column.name}" {_TYPES.get(str(column.arrow.type), "varchar")}' for column in table.columns)
    return (
        f"create table listed ({named}, leg varchar, conversation varchar, previous varchar, batch bigint,"
        " floor timestamptz)"
    )


def add(table: Table) -> str:
    """Rows of the call list as received; the parameters are the number of their batch, and when its list begins."""
    return f"insert into listed select {columns(table)}, {normalised()}, null as previous, ?, ? from batch"


_IS_FINAL = f"(coalesce(status in ({_words(_FINAL)}), false) or ended_at is not null)"

#: Each leg once, with the row that says most. The list is in the order of time: a leg without times, which is one that
#: nobody answered, began about when the one before it did.
LEGS = f"""
create table legs as select * exclude ("at", batch, floor, before), coalesce(started_at, before, floor) as "at",
  true as listed
from (
  select *, last_value(started_at ignore nulls) over (
    partition by host, floor order by batch, rowid rows between unbounded preceding and current row
  ) as before from listed
)
qualify row_number() over (partition by leg order by {_IS_FINAL} desc, batch) = 1
"""

#: Legs of the overlap before the window that the last run has judged.
JUDGED = f"""
delete from legs where "at" < ? and leg in (
  select {_leg("leg_id")} from earlier where coverage_class <> '{CoverageClass.NOT_YET}'
)
"""

EARLIER = f"""
insert into legs by name
select {{columns}}, {{normalised}}, coverage_class as previous, false as listed from earlier as e
where {_leg("e.leg_id")} not in (select leg from legs) and (
  (coalesce(coverage_class, '{CoverageClass.NOT_YET}') = '{CoverageClass.NOT_YET}' and checked_at >= ?)
  or ("at" >= ? and "at" < ?)
)
qualify row_number() over (partition by {_leg("e.leg_id")} order by checked_at desc) = 1
"""

RUNNING = f"select leg_id from legs where not listed and not {_IS_FINAL} order by leg_id"

#: An answer may lack what the list had, or have it in an unreadable form: then the known value stays.
_RENEWED = ("status", "price", "rate", "duration_s", "started_at", "ended_at", "network", "conversation",
            "conversation_id")  # fmt: skip
RENEW = f"""
update legs set {", ".join(f"{name} = coalesce(new.{name}, legs.{name})" for name in _RENEWED)},
  "at" = coalesce(new.started_at, legs."at"), listed = true
from (select {{columns}}, {{normalised}} from batch) as new where legs.leg = new.leg
"""

FIRST = 'select min("at") from legs'

PROBED = "create table probed (conversation varchar, outcome varchar, host varchar)"


def evidence(names: Iterable[str], *, twice: bool) -> str:
    """The folder's evidence of each leg: whether from a list, and whether its end; `twice` if events came both ways."""
    ends = {"hangups": "true", "leg_statuses": f"coalesce(status in ({_words(_FINAL)}), false)"}
    parts = " union all ".join(
        f'select {_leg("leg_id")} as leg, "at", {_from_list(name, twice=twice)} as from_list,'
        f' {ends.get(name, "false")} as ended from "{name}"'
        for name in names
    )
    return f"""
    create table evidence as
    select leg, min("at") as first_at, bool_or(from_list) as from_list, bool_or(ended) as ended from ({parts})
    where leg in (select leg from legs) group by leg
    """


def export_state(names: Iterable[str], *, twice: bool) -> str:
    """Which conversations an export has read, and which were gone before they could be read."""
    parts = " union all ".join(
        f"select distinct {_conversation(f'{name}.conversation_id')} as conversation, {_was_read(name, twice=twice)}"
        f' from "{name}"'
        for name in names
    )
    return f"""
    create table export_state as
    select conversation, bool_or(was_read) as was_read, bool_or(gone) as gone from ({parts})
    where conversation in (select conversation from legs) and (was_read or gone) group by conversation
    """


def _was_read(name: str, *, twice: bool) -> str:
    if name == "conversations":
        return "not coalesce(gone, false) as was_read, coalesce(gone, false) as gone"
    return f"{_from_list(name, twice=twice)} as was_read, false as gone"


#: Conversations of which it is not known yet whether they can still be read.
UNMATCHED = f"""
create table unmatched as select conversation, min(host) as host from legs
left join evidence using (leg) left join export_state using (conversation)
where {_IS_FINAL} and evidence.leg is null and export_state.conversation is null and conversation is not null
  and coalesce(previous, '') not in ({_words(_LASTING)})
group by conversation order by conversation
"""
ALIVE = "create table alive (conversation varchar)"
ANSWER_ALIVE = (
    "insert into probed select distinct conversation, 'here', null from unmatched join alive using (conversation)"
)
NEXT = """
select conversation, host from unmatched where conversation not in (select conversation from probed)
order by conversation limit ?
"""


def classes(table: Table) -> str:
    """Each leg with its class (live contract 7.1); the parameters are the last export and this run's begin."""
    made = {"at", "coverage_class", "host", "checked_at"}
    kept = ", ".join(f'"{column.name}"' for column in table.columns if column.name not in made)
    after_export = 'coalesce(coalesce(ended_at, legs."at") >= run.exported_at, false)'
    return f"""
    create table result as select {kept}, coalesce(started_at, evidence.first_at, legs."at") as "at",
      case
        when evidence.ended and evidence.from_list then '{CoverageClass.COVERED}'
        when evidence.ended then '{CoverageClass.COVERED_LIVE}'
        when not {_IS_FINAL} then '{CoverageClass.NOT_YET}'
        when evidence.from_list and {after_export} then '{CoverageClass.NOT_YET}'
        when evidence.leg is not null then '{CoverageClass.PARTIAL}'
        when export_state.was_read and {after_export} then '{CoverageClass.NOT_YET}'
        when export_state.was_read then '{CoverageClass.PARTIAL}'
        when previous in ({_words(_LASTING)}) then previous
        when export_state.gone then '{CoverageClass.EXPIRED}'
        when probed.outcome in ('here', 'unknown') then '{CoverageClass.NOT_YET}'
        when probed.outcome = 'elsewhere' then '{CoverageClass.OTHER_REGION}'
        else '{CoverageClass.TRANSIENT_MISSED}'
      end as coverage_class,
      case when probed.outcome = 'elsewhere' then probed.host else legs.host end as host,
      run.now as checked_at, legs.previous, legs.listed
    from legs cross join (select ?::timestamptz as exported_at, ?::timestamptz as now) as run
    left join evidence using (leg) left join export_state using (conversation)
    left join (select distinct on (conversation) * from probed) as probed using (conversation)
    """


def to_keep(table: Table) -> str:
    """The rows that a run stores."""
    return f"select {columns(table)} from result where listed or coverage_class is distinct from previous"


_CHANNEL = "case when direction = 'outbound' then to_type else from_type end"

COUNTS = f"""
with legs as (
  select coverage_class, direction, {_CHANNEL} as channel,
    floor(epoch_us("at") / {QUARTER_US})::bigint as quarter
  from result
)
select 'total' as part, null as value, coverage_class, count(*) from legs group by all
union all select 'quarter', quarter::varchar, coverage_class, count(*) from legs group by all
union all select 'direction', direction, coverage_class, count(*) from legs group by all
union all select 'channel', channel, coverage_class, count(*) from legs group by all
order by all
"""

MISSING = f"""
select leg_id, conversation_id, coverage_class, "at", status, direction, from_type,
  coalesce(from_number, from_uri, from_user, from_extension, from_id) as "from", to_type,
  coalesce(to_number, to_uri, to_user, to_extension, to_id) as "to",
  started_at, ended_at, duration_s, price, network, host
from result where coverage_class in ({_words(MISSING_CLASSES)})
order by "at", leg_id
"""


def not_listed(names: Iterable[str]) -> str:
    """Legs that the folder has and the call list lacks, by their first event; the parameters are a time."""
    parts = " union all ".join(
        f'select leg_id, {_leg("leg_id")} as leg, conversation_id, channel_type, direction, "at" from "{name}"'
        for name in names
    )
    return f"""
    create table extra as select any_value(leg_id) as leg_id, any_value(conversation_id) as conversation_id,
      any_value(channel_type) as channel_type, any_value(direction) as direction, min("at") as first_at
    from ({parts}) where leg is not null group by leg
    having min("at") >= ? and min("at") < ?
      and leg not in (select leg from listed) and leg not in (select leg from legs)
    """


COUNT_EXTRA = "select count(*) from extra"
FIRST_EXTRA = "select * from extra order by first_at, leg_id limit {limit}"


def _from_list(name: str, *, twice: bool) -> str:
    """Whether a row came from a list, or also came from one: its file keeps what it came from first."""
    own = f"coalesce({name}.source, '{EventSource.LIST}') in ({_words(_LISTS)})"
    same = f"also.conversation_id = {name}.conversation_id and also.event_id = {name}.event_id"
    return f"({own} or exists (from event_sources as also where {same}))" if twice else own
