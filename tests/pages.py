"""The generated pages of the documentation: ``python -m tests.pages`` writes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from conv_analytics import glossary
from conv_analytics.analysis.dialogue.containment import CONTAINMENT
from conv_analytics.analysis.dialogue.dtmf import PATHS, PROMPTS
from conv_analytics.analysis.dialogue.event_log import EVENT_LOG
from conv_analytics.analysis.dialogue.messages import FUNNEL, LATENCY, RECEIPTS
from conv_analytics.analysis.dialogue.mute import MUTES
from conv_analytics.analysis.dialogue.recognition import RECOGNITION
from conv_analytics.analysis.dialogue.responses import FIRST_RESPONSES, RESPONSES
from conv_analytics.analysis.dialogue.talk import TALK_CONVERSATIONS, TALK_MEMBERS
from conv_analytics.analysis.dialogue.timeline import TIMELINE
from conv_analytics.analysis.dialogue.turns import TURN_CONVERSATIONS, TURN_ROLES, TURNS
from conv_analytics.analysis.engine.columns import LEG_FLAGS, RESULTS
from conv_analytics.analysis.rates import metrics
from conv_analytics.tables import TABLES, dictionary
from conv_analytics.tables.kinds import storage
from tests._helpers.command_line import environment

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "notebooks" / "reference"
GALLERY = REFERENCE / "gallery.md"

TABLES_HEAD = """\
# Tables

Every table and column, from the declarations that the package itself uses. Written by `python -m tests.pages`; do not
edit by hand. `conv-analytics tables` prints the same on a terminal, and `conv_analytics.describe()` gives it as a
DataFrame.

"""


def tables() -> str:
    """The data dictionary."""
    names = " · ".join(f"[{name}](#{name})" for name in TABLES)
    return f"{TABLES_HEAD}{names}\n\n{dictionary.as_markdown(TABLES.values())}"


ANALYSIS_HEAD = """\
# Analysis

`conv_analytics.analysis` answers questions about an export. Every function takes a `Dataset`, `Frames`, or a mapping
of table name to frame (pandas, Polars, DuckDB relations, Spark DataFrames, pyarrow and whatever else offers
`__arrow_c_stream__`), and returns the same numbers for each: pandas for pandas, a relation for relations, Spark for
Spark, Polars for Polars, and for a `Dataset`, pandas ([other tools](other-tools.md)). Importing the
package adds `df.conv` to pandas frames.

```python
from conv_analytics import open_dataset
from conv_analytics.analysis import calls, conversations, ledger, legs

dataset = open_dataset("exports")
legs(dataset)  # one row per leg
calls(dataset)  # one row per call: legs that overlap, or follow within 5 seconds
conversations(dataset)  # one row per conversation
ledger(dataset)  # what is missing, odd, imputed or unmeasured
```

Read the column `flags` as `frame["flags"]`: pandas has an attribute of that name. Countries of
numbers need `pip install 'conv-analytics[phone]'`; without it they follow from the calling code. Written by
`python -m tests.pages`.

"""


#: What the functions of the conversation side give.
CONVERSATION_SIDE = {
    "timeline": TIMELINE, "talk, by member": TALK_MEMBERS, "talk, by conversation": TALK_CONVERSATIONS, "mute": MUTES,
    "receipts": RECEIPTS, "message_funnel": FUNNEL, "message_latency": LATENCY, "responses": RESPONSES,
    "first_responses": FIRST_RESPONSES, "dtmf": PROMPTS, "dtmf_paths": PATHS, "event_log": EVENT_LOG,
    "recognition": RECOGNITION,
    "containment": CONTAINMENT, "turns": TURNS, "turns, by conversation": TURN_CONVERSATIONS,
    "turns, by role": TURN_ROLES,
}  # fmt: skip


def analysis() -> str:
    """What the functions of the analysis give."""
    parts = [ANALYSIS_HEAD]
    for name, columns in {**RESULTS, **CONVERSATION_SIDE}.items():
        rows = [f"| `{c.name}` | `{storage(c.kind).pandas}` | {c.unit or ''} | {c.doc} |" for c in columns]
        parts += [f"## {name}\n\n| column | dtype | unit | meaning |\n|---|---|---|---|\n", "\n".join(rows), "\n\n"]
    flags = "\n".join(f"- `{name}`: {doc}" for name, doc in LEG_FLAGS.items())
    return "".join([*parts, f"## Flags of legs\n\n{flags}\n"])


KPI_HEAD = """\
# Rates, times and load

```python
from conv_analytics import open_dataset
from conv_analytics.analysis import busy_hour, cost, heatmap, kpi, kpi_values, trunks_needed

dataset = open_dataset("exports")
kpi(dataset, by=["country", "network_code"])  # every rate below, per route
kpi(dataset, by="hour", metrics=["asr", "scr"], scope="inbound", tz="Europe/London")
kpi_values(dataset, by="country")  # call durations, post-dial delay, ringing: mean, quantiles, extremes
heatmap(dataset, "asr", tz="Europe/London")  # weekday by hour, per hour that existed
trunks_needed(busy_hour(dataset)["busy_hour_erlangs"].max(), blocking=0.01)
cost(dataset, by="country")
```

A rate comes with its counts and interval: `k` of `n` cases, `rate` (0 to 1), `lo` and `hi` (Wilson's 95 % interval).
Without cases it is null, not 0. `unknown` counts cases left out of `n` because their result is not known; `enough` is
false below 30 cases (`min_n`): show such rates, but do not rank them. `by` takes columns of `legs` or `calls`, and
`hour`, `weekday` (0 is Monday), `day` and `week` in any time zone. `scope` is `outbound` (the default), `inbound` or
`all`, `unit` a `leg` or a `call`: a forwarded call is one call of several legs. Quantiles are numpy's `linear`; p5
and p95 of fewer than 20 values are null.

The final code of an attempt is 200 if it was answered, whatever its hangup says; else the hangup's SIP code, else the
code of the platform's reason (`sip_codes`). Attempts without a code stay in `n`: see `undecided`. A hangup with 200
but no answer means nothing: a CANCEL has that code, too.

Two families of rates, as their sources define them:

| | ITU-T E.425 | RFC 6076 |
|---|---|---|
| of | seizures: attempts that were sent out, whoever refused them | attempts, without redirections (3xx) |
| answered | `asr` | `ser` |
| delivered by the network | `ner`: answer, busy, ring no answer, rejection | `seer`: 200, 480, 486, 600, 603 |
| not delivered | | `isa`: 408, 500, 503, 504 |

A refusal with a SIP code (400, 403, 488, 606) is the far end's answer to a seizure, so it lowers `asr` and `ner`.
Only attempts that the platform itself did not send are not seizures: no SIP code, and the reason `payment_required`,
`banned_call_ended` or `flow_failed`. E.425 counts the *terminal rejection* of ISDN as effective, too: `ner` takes 603
and 607 for it, which a person decides; `ner_terminal` also 406, 415, 488 and 606, which the called equipment does.
`ner_isa` is 1 - `isa`.

Calls that failed, were refused, busy or declined are never answered, however long one waits. In `answer_curve` and
`answer_times` they compete with the answer (Aalen-Johansen); those ended by the caller or the ring timer are
censored there. With one call answered after 10 s and nine that failed after 1 s, a tenth is answered by 10 s, and the
time by which half are answered is null. Where no call is left waiting, there are no confidence limits.

| question | function |
|---|---|
| time to answer, with calls that failed (competing events) and those given up (censored) | `answer_curve`, \
`answer_times` |
| answered within 20 seconds | `service_level` |
| short calls, classes of duration | `short_calls`, `duration_hist` |
| how many at once, load per hour, busiest 60 minutes | `concurrency`, `traffic`, `busy_hour` |
| lines and agents needed, waiting, blocking | `trunks_needed`, `agents_needed`, `erlang_b`, `erlang_c`, \
`expected_wait`, `expected_service_level`, `offered` |
| spend, prices against rate and duration, spend on useless calls | `cost`, `price_audit`, `waste` |
| intervals, differences, tails, many tests | `wilson`, `newcombe`, `binomial_tail`, `benjamini_hochberg`, \
`kaplan_meier`, `aalen_johansen` |

`per_answered_min` of `cost` covers the answered legs that have a price and minutes. A leg that is still up has a price
but no minutes yet (`untimed` counts those), one that was not priced has minutes but no price: they are only in the
sums.

Days begin at midnight and weeks on Mondays of the zone, also when clocks change, and every function and rule gets
them from the same module (`analysis.engine.zones`).

## The rates

From the declarations that `kpi` itself uses; `kpi_metrics()` gives them as a DataFrame. Written by
`python -m tests.pages`.

"""


def rates() -> str:
    """Every rate, what it counts, and where it comes from."""
    return KPI_HEAD + metrics.as_markdown()


GLOSSARY_HEAD = """\
# Glossary

The terms that reports, plots, tooltips and `--help` use, from the one place that declares them
(`conv_analytics/glossary.py`). Written by `python -m tests.pages`; do not edit by hand.

"""


def terms() -> str:
    """Every term, what it is, and where it comes from."""
    return GLOSSARY_HEAD + glossary.as_markdown()


def demo() -> str:
    """What the demo prints, as the gallery shows it."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "conv_analytics", "demo", "--quiet"],
            cwd=folder, env=environment(), capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
    return shown_of_demo(done.stdout)


def shown_of_demo(output: str) -> str:
    """What of the demo's output the gallery shows."""
    return plain(output.partition("\nGo on with:")[0]).rstrip() + "\n"


def plain(text: str) -> str:
    """The same text on every machine: times differ."""
    return re.sub(r"in [\d.]+ s", "in 1.2 s", text)


def gallery_with(picture: str) -> str:
    """The gallery with another picture of the demo's output."""
    text = GALLERY.read_text(encoding="utf-8")
    return re.sub(
        r"(<!-- demo -->\n\n```text\n).*?(```\n)", lambda found: found[1] + picture + found[2], text, flags=re.DOTALL
    )


def main() -> None:
    """Write every page."""
    from tests.cli import bad_input

    (REFERENCE / "analysis.md").write_text(analysis(), encoding="utf-8")
    (REFERENCE / "glossary.md").write_text(terms(), encoding="utf-8")
    (REFERENCE / "kpi.md").write_text(rates(), encoding="utf-8")
    (REFERENCE / "tables.md").write_text(tables(), encoding="utf-8")
    GALLERY.write_text(gallery_with(demo()), encoding="utf-8")
    bad_input.main()


if __name__ == "__main__":
    main()
