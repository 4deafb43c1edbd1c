"""The part of a run's report that holds printed numbers against this run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from engine.artifact import Artifact
from engine.claim import LOOKS, Claim, Missing, Ours, Verdict, judge, ours_text, remark
from engine.claim_check import unchecked
from engine.claim_source import Measured, Numbers, is_closed, measured_in, numbers_of, our_mean, unknown_metric
from engine.evidence import UNREADABLE
from engine.execute import installed
from engine.workflow import Workflow

NOT_RUN = "this run did not get there"


def run_verdicts(run: str, workflow: Workflow, artifacts: Mapping[tuple[str, str], Artifact]) -> list[Verdict]:
    """Every claim of a run's workflow, judged by this run alone."""
    named = {(place.node, place.port) for claim in workflow.claims if (place := claim.place) is not None}
    tables = {end: _numbers(artifact) for end, artifact in artifacts.items() if end in named}
    known = {end: numbers for end, numbers in tables.items() if numbers is not None}
    mine = measured_in(run, known, workflow, workflow)
    return [judge(claim, _found(claim, mine, workflow)) for claim in workflow.claims]


def _numbers(artifact: Artifact) -> Numbers | None:
    try:
        return numbers_of(artifact)
    except UNREADABLE:  # a damaged artifact is told elsewhere in the report
        return None


def _found(claim: Claim, mine: Measured, workflow: Workflow) -> Ours | Missing:
    place = claim.place
    if place is None or place.node not in workflow.nodes:
        return Missing(unchecked(claim))
    table = mine.numbers.get((place.node, place.port))
    if table is None:
        return Missing(NOT_RUN)
    spec = installed().find(workflow.nodes[place.node].type)
    if spec is None or not is_closed(spec):
        return our_mean(claim, place, [mine], workflow)
    value = table.find(place.metric)
    return unknown_metric(place, table) if value is None else Ours(value)


def claims_table(found: Sequence[Verdict]) -> str:
    """Claims as a table of HTML: state by mark, word and colour, the print, ours, and what there is to say."""
    head = "".join(f"<th>{name}</th>" for name in ("state", "claim", "printed", "ours", ""))
    rows = "".join(map(_row, found))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(verdict: Verdict) -> str:
    look, claim = LOOKS[verdict.state], verdict.claim
    state = f'<span class="k" style="color:var(--{look.token})">{look.mark} {escape(look.word)}</span>'
    cells = (
        state,
        f"{escape(claim.what)}<br><small>{escape(claim.source)}</small>",
        escape(claim.printed),
        escape(ours_text(verdict)),
        f'<span class="mute">{escape(remark(verdict))}</span>',
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
