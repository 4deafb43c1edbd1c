"""The tables of the papers: every file is a valid graph, every claim says what is printed, and what can be counted is.

A closed-form claim is one at a `count` node; all of them must be reproduced but for the slips listed here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from engine import workflow as wf
from engine.claim import Claim, Verdict
from engine.claim_source import verdicts
from engine.commands.common import open_workflow
from engine.registry import load_registry
from engine.resource import papers
from engine.validate import check, resolve
from engine.workflow import Workflow
from nodes.count import CountParams
from nodes.zoo import Printed, models

FOLDER = Path(__file__).parent.parent / "projects" / "papers"
FILES = sorted(FOLDER.glob(f"*{wf.SUFFIX}"))
REGISTRY = load_registry()
SLIP_ROW = re.compile(r"^\| (\d+) \| (S[^|]*?) \| ", re.MULTILINE)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
SCALES = {"K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9}
NOT_NUMBERS = {12, 14, 17, 19, 20, 34, 35, 38, 39, 40, 41, 46}
"""Slips without a printed number that could be held against another."""
TABLES = {
    "s0": ("s0-table1", "s0-table2", "s0-table3", "s0-table4"),
    "s1": ("s1-table1", "s1-table2"),
    "s2": ("s2-table1", "s2-table2", "s2-table3", "s2-table4", "s2-table5"),
    "s3": ("s3-table1", "s3-table2", "s3-table3", "s3-table4", "s3-table5", "s3-table6"),
    "s4": ("s4-table1", "s4-table2", "s4-table3", "s4-table4", "s4-table5", "s4-section5"),
}
OFF = {
    ("S0 table 2", "filters of a pointwise layer"): 8,
    ("S1, the authors' repository", "TC-ResNet8 as its README freezes it, with 49 frames, operations"): 15,
    ("S1 table 1", "Res8 with its pool strided as section 4.2 has it, operations"): 16,
    ("S1 table 1", "Res8-Narrow with its pool strided as section 4.2 has it, operations"): 16,
    ("S2 table 1", "CCS, minutes (samples x mean duration)"): 25,
    ("S2 table 1", "CSS, minutes (samples x mean duration)"): 25,
    ("S2 table 1", "IEMOCAP, minutes (samples x mean duration)"): 25,
    ("S2 section 3.3", "augmentation never hurts on these four"): 29,
    ("S2 table 3", "IEMOCAP, no augmentation, recall as the middle of its interval"): 28,
    ("S2 table 4", "RAVDESS, chance level"): 27,
    ("S2 table 5", "operations"): 30,
    ("S2 table 5", "operations, read as multiply-adds"): 30,
    ("S2 figure 2", "top of the frequency axis"): 31,
    ("S3 section V-B", "choices of integer and decimal digits, seven values each"): 43,
    ("S3 section V-B", "choices, with the eight values 0 to 7"): 43,
    ("S3 section III-B", "frames of a clip for four patches of 96"): 45,
    ("S3 table I", "M20k, parameters, as deployed with 60 units"): 44,
    ("S3 table III", "M20k, operations with table VI's pools and the full GRU"): 47,
    ("S3 table VI", "Pool3, MOPS"): 50,
    ("S3 section VI-B", "fewest instructions for an operation"): 53,
    ("S3, abstract", "average power"): 52,
    ("S4 section 4", "windows in one second, frames not centred"): 37,
    ("S4 section 8.2.3", "TF Lite slower than LPDNN, up to"): 11,
    ("S4 section 8.1", "output channels of kws1 are all below 50"): 10,
    ("S4 table 5", "ds_kws1, operations, MFLOP"): 5,
    ("S4 table 5", "ds_kws1, file size"): 5,
}
"""Closed-form claims that are off, and the slip that explains each."""


def name_of(path: Path) -> str:
    return path.name.removesuffix(wf.SUFFIX)


@cache
def judged(name: str) -> tuple[Verdict, ...]:
    return tuple(verdicts(open_workflow(name).workflow, REGISTRY, Path("nowhere")))


def every() -> list[Verdict]:
    return [verdict for path in FILES for verdict in judged(name_of(path))]


def is_closed_form(verdict: Verdict) -> bool:
    return verdict.claim.at.startswith("count-")


# ---- the files


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_file_is_canonical_and_valid(path: Path) -> None:
    workflow = wf.load(path)
    assert wf.to_text(workflow) == path.read_text(encoding="utf-8")
    assert check(workflow, REGISTRY).problems == ()
    assert workflow.name == name_of(path) and workflow.about and workflow.claims
    assert set(workflow.layout["positions"]) == set(workflow.nodes)  # type: ignore[arg-type]
    sources = [node.params["source"] for node in workflow.nodes.values() if node.type == "ossicle.ingest"]
    assert all(str(source).strip("{}") in workflow.variables for source in sources)


def test_every_file_opens_by_its_name_and_every_table_has_one() -> None:
    assert papers() == [name_of(path) for path in FILES]
    assert {name for names in TABLES.values() for name in names} <= set(papers())
    assert open_workflow("papers/s1-table1").workflow == open_workflow("s1-table1").workflow


def test_the_main_table_of_the_temporal_nets_is_fifteen_trainings() -> None:
    workflow = open_workflow("s1-table1").workflow
    assert workflow.sweep == {"seed": list(range(1, 16))}
    assert workflow.nodes["train-1"].params == {"architecture": "tc_resnet8", "recipe": "s1", "seed": "{seed}"}


# ---- the claims


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_closed_form_claims_are_reproduced_or_off_by_a_known_slip(path: Path) -> None:
    for verdict in judged(name_of(path)):
        key = (verdict.claim.source, verdict.claim.what)
        assert not verdict.is_fault, verdict.why
        if not is_closed_form(verdict):
            assert verdict.state == "unchecked" and verdict.why, key
        elif key in OFF:
            assert verdict.state == "off" and OFF[key] in verdict.claim.slips and verdict.claim.note, key
        else:
            assert verdict.state == "reproduced", f"{key}: {verdict.why}"


def test_every_expected_slip_is_there() -> None:
    off = {(each.claim.source, each.claim.what) for each in every() if each.state == "off"}
    assert off == set(OFF)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_cannot_be_checked_says_what_is_missing(path: Path) -> None:
    for verdict in judged(name_of(path)):
        claim = verdict.claim
        if verdict.state == "unchecked":
            assert claim.needs or claim.note, claim.what
        if claim.at and not is_closed_form(verdict):
            is_open = claim.source.startswith("S2") or 13 in claim.slips  # test sets or ranges are not printed
            is_known = claim.clips or is_open
            assert claim.needs and is_known, f"{claim.what}: a measurement needs to tell the paper's data"


def test_no_two_claims_of_a_file_are_the_same() -> None:
    for path in FILES:
        claims = [(claim.source, claim.what) for claim in wf.load(path).claims]
        assert len(claims) == len(set(claims)), path.name


def test_slips_are_those_of_the_list_and_every_one_with_a_number_is_named() -> None:
    listed = {int(number) for number, _ in SLIP_ROW.findall((FOLDER / "SLIPS.md").read_text(encoding="utf-8"))}
    assert listed == set(range(1, 56))
    named = {slip for verdict in every() for slip in verdict.claim.slips}
    assert named <= listed
    missing = listed - named - NOT_NUMBERS
    assert not missing, f"no claim names {sorted(missing)}"


def test_a_slip_belongs_to_the_paper_of_its_claim() -> None:
    rows = SLIP_ROW.findall((FOLDER / "SLIPS.md").read_text(encoding="utf-8"))
    papers_of = {int(number): set(re.findall(r"S\d", paper)) for number, paper in rows}
    for verdict in every():
        paper = re.findall(r"S\d", verdict.claim.source)[0]
        for slip in verdict.claim.slips:
            assert paper in papers_of[slip], f"{verdict.claim.source}, {verdict.claim.what}: slip {slip}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_number_is_what_is_printed_and_the_tolerance_its_rounding(path: Path) -> None:
    for claim in wf.load(path).claims:
        read = read_print(claim)
        if read is None:
            assert claim.unit == "yes or no" or claim.value == int(claim.value) or "^" in claim.printed, claim.what
            continue
        value, step = read
        assert claim.value == pytest.approx(value, rel=1e-9), claim.what
        widened = "cut" in claim.note or "mean" in claim.what or "rounding" in claim.note or "printed to" in claim.note
        if not (widened or "middle" in claim.what or claim.at == ""):
            assert claim.tolerance <= 0.5 * step * (1 + 1e-9), f"{claim.what}: {claim.tolerance}"


def read_print(claim: Claim) -> tuple[float, float] | None:
    """The value of a print and one step of its last digit, in the claim's unit; None for words and formulas."""
    found = NUMBER.findall(claim.printed)
    if len(found) != 1 or claim.unit == "yes or no":
        return None
    digits = found[0].replace(",", "") if claim.unit != "times" or "," not in found[0] else found[0].replace(",", ".")
    rest = claim.printed[claim.printed.index(found[0]) + len(found[0]) :].strip()
    scale = 0.01 if claim.unit == "share" else 1.0
    if claim.unit in ("FLOP", "parameters", "bytes"):
        scale = SCALES.get(rest[:1], 1.0)
    if "MFLOP" in claim.what:
        scale = 1e6
    return float(digits) * scale, scale * 10.0 ** -len(digits.partition(".")[2])


# ---- one registry: what the zoo quotes is what the files quote


def quoted(field: str) -> dict[tuple[str, float], Printed]:
    found = {(name, width): printed for name, entry in models().items() for width, printed in entry.printed.items()}
    return {key: printed for key, printed in found.items() if getattr(printed, field, None)}


def counted_as(workflow: Workflow, metric: str) -> tuple[str, float] | None:
    """The model of the zoo and its width that a claim at the count node is about, if at the paper's own input."""
    node = workflow.nodes["count-1"]
    spec = REGISTRY.find(node.type)
    assert spec is not None
    params = resolve(node, spec, workflow.variables)
    assert isinstance(params, CountParams)
    stem = metric.partition(".")[0]
    for entry in params.models:
        if (entry.name or entry.model) == stem:
            return None if entry.frames else (entry.model, entry.width)
    return None


def trained_as(workflow: Workflow, benchmark: str) -> tuple[str, float] | None:
    """The model and width of the plain training that a benchmark scores; None if it was distilled."""
    source = next(link.source for link in workflow.links if (link.target, link.input) == (benchmark, "model"))
    params = workflow.nodes[source].params
    is_plain = workflow.nodes[source].type == "ossicle.train"
    return (str(params["architecture"]), float(params.get("width", 1.0))) if is_plain else None  # type: ignore[arg-type]


def accuracy_key(claim: Claim, workflow: Workflow) -> tuple[str, float] | None:
    """The model that a claim on an accuracy is about: by its training, or by the same row's parameters."""
    if claim.place is not None:
        return trained_as(workflow, claim.place.node) if claim.place.node.startswith("benchmark") else None
    row = claim.what.removesuffix(", accuracy")
    places = [other.place for other in workflow.claims if other.what == f"{row}, all parameters"]
    return counted_as(workflow, places[0].metric) if places and places[0] is not None else None


def test_operations_and_parameters_are_those_the_zoo_quotes() -> None:
    seen = set()
    for path in FILES:
        workflow = wf.load(path)
        for claim in workflow.claims:
            place = claim.place
            key = counted_as(workflow, place.metric) if place and place.node == "count-1" else None
            printed = quoted("flops").get(key) if key is not None and not SECTION.search(claim.source) else None
            if place is None or printed is None or key is None:
                continue
            figure = place.metric.partition(".")[2]
            if figure == f"flops.{printed.rule.replace('-', '_')}":
                assert claim.value == printed.flops, claim.what
                seen.add((*key, "flops"))
            elif figure == "params" and printed.params:
                assert claim.printed.strip("~").replace(" ", "") == printed.params, claim.what
                seen.add((*key, "params"))
            elif figure == "buffer_bytes.s3" and printed.buffer_bytes and claim.source == "S3 table III":
                assert claim.printed.strip("~") == printed.buffer_bytes, claim.what
                seen.add((*key, "buffers"))
            elif figure == "file_bytes_s4" and printed.size_kb is not None:
                assert claim.value == pytest.approx(1000 * printed.size_kb), claim.what
                seen.add((*key, "size"))
    assert len(seen) > 50


SECTION = re.compile("section|repository")


def test_accuracies_are_those_the_zoo_quotes() -> None:
    seen = set()
    for path in FILES:
        workflow = wf.load(path)
        for claim in workflow.claims:
            if not claim.what.endswith(", accuracy") or re.match("S0|S4 table 2", claim.source):
                continue  # S0 and S4's table 2 print two decimals of what S4's table 1 prints with one
            key = accuracy_key(claim, workflow)
            printed = quoted("accuracy_percent").get(key) if key is not None else None
            if printed is not None and printed.accuracy_percent is not None:
                assert claim.value == pytest.approx(printed.accuracy_percent / 100), claim.what
                seen.add(key)
    assert len(seen) >= 24
