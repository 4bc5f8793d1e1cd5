"""What a run of the fuzzer says of itself is taken from what libFuzzer said."""

from __future__ import annotations

from tests.fuzz.run_atheris import seeds_read, summary

# By atheris 3.0.0; shortened between the first lines and the last.
SAID = """\
INFO: Using built-in libfuzzer
INFO: Running with entropic power schedule (0xFF, 100).
INFO: Seed: 1
INFO:        8 files found in corpus
INFO: seed corpus: files: 8 min: 26b max: 198b total: 795b rss: 77Mb
#9\tINITED cov: 364 ft: 587 corp: 8/795b exec/s: 0 rss: 77Mb
#13\tNEW    cov: 380 ft: 605 corp: 9/932b lim: 198 exec/s: 0 rss: 77Mb L: 143/198 MS: 1 ChangeByte-
#34904\tDONE   cov: 428 ft: 682 corp: 29/3218b lim: 429 exec/s: 5817 rss: 78Mb
Done 34904 runs in 6 second(s)
stat::number_of_executed_units: 34904
stat::average_exec_per_sec:     5817
"""
WITHOUT_SEEDS = """\
INFO: A corpus is not provided, starting from an empty corpus
#2\tINITED cov: 18 ft: 18 corp: 1/1b exec/s: 0 rss: 77Mb
"""


def test_summary_is_of_the_last_state() -> None:
    assert summary("safetensors", 8, 0, SAID) == (
        "safetensors: 34,904 inputs executed, 428 edges and 682 features covered, "
        "29 inputs kept, from 8 of 8 seeds; exit 0\n"
    )


def test_missing_seeds_are_seen() -> None:
    assert seeds_read(SAID) == 8
    assert seeds_read(WITHOUT_SEEDS) == 0
    assert "from 0 of 8 seeds" in summary("safetensors", 8, 0, WITHOUT_SEEDS)


def test_a_run_that_said_nothing_did_nothing() -> None:
    assert summary("zip", 3, 1, "").startswith("zip: 0 inputs executed, 0 edges")
