"""The glossary: every output takes its words from it, and what it explains exists."""

from __future__ import annotations

import pytest

from conv_analytics import glossary
from conv_analytics.analysis import kpi_metrics
from conv_analytics.analysis.audio.profiles import MEASURES
from conv_analytics.analysis.audio.quality import quality
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.analysis.finders.thresholds import NUMBERS, SAME, named
from conv_analytics.cli import kpi, offenders, report
from conv_analytics.cli.entry import parser
from tests._helpers import report_legs as made

#: The terms that the trade knows, and how it abbreviates them.
STANDARD = {
    "asr": "Answer-seizure ratio (ASR)", "abr": "Answer-bid ratio (ABR)", "ner": "Network effectiveness ratio (NER)",
    "ser": "Session establishment ratio (SER)", "seer": "Session establishment effectiveness ratio (SEER)",
    "pdd": "Post-dial delay (PDD)", "aloc": "Average length of conversation (ALOC, ACD)",
    "mos": "MOS (E-model estimate)", "loss": "Packet loss", "jitter": "Jitter (max SD)",
    "silent": "One-way or no audio", "drop_failure": "Dropped calls", "short": "Short calls (≤ 6 s)",
    "measured": "Measured legs", "service_level": "Service level", "fas": "False answer supervision (FAS)",
}  # fmt: skip


#: What problems are called that only `findings` knows.
CASES_OF_FINDINGS = {"bad_number", "not_good", "cliff", "constant_score", "premium", "redials", "no_calls",
                     "false_answer"}  # fmt: skip


def test_titles_are_the_standard_terms() -> None:
    assert {name: glossary.term(name).title for name in STANDARD} == STANDARD


def test_every_name_is_one_terms() -> None:
    names = [name for each in glossary.TERMS for name in (each.name, *each.names)]
    assert len(names) == len(set(names))
    titles = [each.title for each in glossary.TERMS]
    assert len(titles) == len(set(titles))


def test_sentences_are_put_together_the_same_way() -> None:
    for each in glossary.TERMS:
        assert each.words, each.name
        assert not each.words.endswith("."), each.name
        assert each.note == "" or each.note.endswith("."), each.name
        assert not each.source.endswith("."), each.name


def test_every_rate_case_and_measure_has_a_term() -> None:
    rates = [name for name in kpi_metrics()["metric"] if not name.startswith("short_")]
    columns = [name for name in MEASURES if name != "silent_directions"]
    for name in (*rates, *CASES, *NUMBERS, *columns):
        assert glossary.is_term(name), name
    assert all(CASES[name].title == glossary.term(name).title for name in CASES)


def test_names_are_those_of_columns_rates_or_rules() -> None:
    known = {column.name for column in LEGS} | set(quality(made.week()).columns) | set(kpi_metrics()["metric"])
    known |= {*CASES, *NUMBERS, *SAME, *MEASURES, "lo", "hi", "mos_score", "acd"}
    words = {"leg", "call", "attempt", "seizure", "aloc", "erlang", "cps", "concurrency", "fas", "ci", "service_level",
             "ring_time", "setup_time", "mos_low", "jitter_min",
             *CASES_OF_FINDINGS}  # fmt: skip
    assert {name for each in glossary.TERMS for name in (each.name, *each.names)} - known == words


def test_what_jitter_is_stands_in_its_note() -> None:
    note = glossary.term("jitter").note
    assert "variance" in note
    assert "not the interarrival jitter of RFC 3550" in note


def test_help_lists_what_there_is() -> None:
    assert set(offenders.CASES) == set(CASES)
    assert [name for name in kpi_metrics()["metric"] if not name.startswith("short_")] == list(kpi.ALL_METRICS)
    for name, of in report.LIMITED.items():
        metric = named(f"{name}_p95" if name in NUMBERS else name)
        assert of in {metric, metric.removesuffix("_ratio"), name}, name


@pytest.mark.parametrize("command", ["offenders", "kpi", "report"])
def test_help_has_the_terms(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in {"offenders": ["poor", "ghost"], "kpi": ["asr", "ner"], "report": ["asr", "mos", "pdd"]}[command]:
        assert glossary.term(name).title in said
