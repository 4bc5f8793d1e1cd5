"""One test for each published advisory against a scanner or a loader, its address above it."""

from __future__ import annotations

from converter.risk.scanner import scan_file
from corpus.hostile_recipes import SAMPLES
from tests.conftest import REPOSITORY


def assert_seen(name: str) -> None:
    """Check that a file of the corpus gets its verdict, and not a better one."""
    path = f"hostile/{name}"
    report = scan_file(REPOSITORY / "corpus" / path)
    assert report.verdict == SAMPLES[path].recipe.verdict
    assert report.verdict != "safe"
    assert SAMPLES[path].rule in {found.rule for found in report.findings}


# GHSA-mxhj-88fx-4pcv
# https://github.com/advisories/GHSA-mxhj-88fx-4pcv
def test_obj_whose_result_is_dropped() -> None:
    assert_seen("unsafe-global/02_obj_dropped.pkl")


# GHSA-5j3x-jp52-966f
# https://github.com/advisories/GHSA-5j3x-jp52-966f
def test_dotted_names_through_other_modules() -> None:
    assert_seen("dotted-name/15_pathlib_os.pkl")
    assert_seen("dotted-name/15_collect_env.pkl")
    assert_seen("dotted-name/15_unlisted.pkl")


# GHSA-46h3-79wf-xr6c
# https://github.com/advisories/GHSA-46h3-79wf-xr6c
def test_operator_helpers() -> None:
    assert_seen("unsafe-global/16_attrgetter.pkl")


# GHSA-955r-x9j8-7rhh
# https://github.com/advisories/GHSA-955r-x9j8-7rhh
def test_operator_methodcaller() -> None:
    assert_seen("unsafe-global/16_methodcaller.pkl")


# GHSA-84r2-jw7c-4r5q
# https://github.com/advisories/GHSA-84r2-jw7c-4r5q
def test_pydoc_locate() -> None:
    assert_seen("unsafe-global/16_locate.pkl")


# GHSA-q5qq-mvfm-j35x
# https://github.com/advisories/GHSA-q5qq-mvfm-j35x
def test_import_module() -> None:
    assert_seen("unsafe-global/17_import_module.pkl")


# GHSA-vvpj-8cmc-gx39
# https://github.com/advisories/GHSA-vvpj-8cmc-gx39
def test_pkgutil_resolve_name() -> None:
    assert_seen("unsafe-global/18_resolve_name.pkl")


# GHSA-655q-fx9r-782v, CVE-2025-1716
# https://github.com/advisories/GHSA-655q-fx9r-782v
def test_pip_main() -> None:
    assert_seen("unsafe-global/19_pip.pkl")


# GHSA-f7qq-56ww-84cr, CVE-2025-10157
# https://github.com/advisories/GHSA-f7qq-56ww-84cr
def test_class_below_a_listed_package() -> None:
    assert_seen("unsafe-global/20_submodule.pkl")


# GHSA-9gvj-pp9x-gcfr
# https://github.com/advisories/GHSA-9gvj-pp9x-gcfr
def test_payload_before_a_break() -> None:
    assert_seen("broken-stream/27_truncated.pkl")
    assert_seen("broken-stream/28_invalid_opcode.pkl")


# GHSA-w8jq-xcqf-f792, CVE-2025-1945
# https://github.com/advisories/GHSA-w8jq-xcqf-f792
def test_zip_flag_bits() -> None:
    assert_seen("zip-flags/49_all_encrypted.pt")
    assert_seen("zip-flags/49_patch_data.pt")
    assert_seen("zip-flags/49_strong.pt")
    assert_seen("zip-flags/49_masked.pt")
    assert_seen("zip-flags/49_local_only.pt")


# GHSA-7q5r-7gvp-wc82, CVE-2025-1944
# https://github.com/advisories/GHSA-7q5r-7gvp-wc82
def test_zip_names_that_differ() -> None:
    assert_seen("zip-local-header/50_other_name.pt")


# GHSA-mjqp-26hc-grxg, CVE-2025-10156
# https://github.com/advisories/GHSA-mjqp-26hc-grxg
def test_zip_checksums_that_are_wrong() -> None:
    assert_seen("zip-crc/51_central.pt")
    assert_seen("zip-crc/51_both.pt")
    assert_seen("zip-crc/51_local.pt")


# GHSA-769v-p64c-89pr, CVE-2025-1889
# https://github.com/advisories/GHSA-769v-p64c-89pr
def test_second_pickle_of_another_ending() -> None:
    assert_seen("hidden-pickle/60_text.pt")
    assert_seen("hidden-pickle/60_storage.pt")
    assert_seen("hidden-pickle/60_extra.pt")


# GHSA-53q9-r3pm-6pq6, CVE-2025-32434
# https://github.com/advisories/GHSA-53q9-r3pm-6pq6
def test_tar_members() -> None:
    assert_seen("unsafe-global/65_tar_pickle.pt")
    assert_seen("unsafe-global/65_tar_sys_info.pt")
    assert_seen("unsafe-global/65_tar_storages.pt")
    assert_seen("unsafe-global/65_tar_tensors.pt")


# GHSA-97f8-7cmv-76j2
# https://github.com/advisories/GHSA-97f8-7cmv-76j2
def test_magic_number_that_is_computed() -> None:
    assert_seen("stacked-pickle/68_magic.pt")


# GHSA-jgw4-cr84-mqxg, CVE-2025-10155
# https://github.com/advisories/GHSA-jgw4-cr84-mqxg
def test_endings_that_lie() -> None:
    assert_seen("wrong-extension/70_picture.jpg")
    assert_seen("wrong-extension/70_zip.jpg")
    assert_seen("unsafe-global/70_other_names.bin")


# CVE-2018-20406
# https://nvd.nist.gov/vuln/detail/CVE-2018-20406
def test_memo_index_of_many_gigabytes() -> None:
    assert_seen("memo-tricks/39_far_index.pkl")


# CVE-2026-24747
# https://nvd.nist.gov/vuln/detail/CVE-2026-24747
def test_items_and_sizes_of_tensors() -> None:
    assert_seen("item-assignment/46_tensor.pkl")
    assert_seen("tensor-metadata/45_beyond.pkl")
    assert_seen("tensor-metadata/45_negative.pkl")


# python/cpython#144410
# https://github.com/python/cpython/issues/144410
def test_put_index_beyond_c() -> None:
    assert_seen("broken-stream/30_put_index.pkl")


# python/cpython#127079
# https://github.com/python/cpython/issues/127079
def test_mark_left_at_stop() -> None:
    assert_seen("stack-left-over/31_mark.pkl")


# python/cpython#154848
# https://github.com/python/cpython/issues/154848
def test_operand_across_a_frame() -> None:
    assert_seen("frame-mismatch/32_straddling.pkl")


# python/cpython#115952
# https://github.com/python/cpython/issues/115952
def test_memo_index_again() -> None:
    assert_seen("memo-tricks/39_far_index.pkl")
