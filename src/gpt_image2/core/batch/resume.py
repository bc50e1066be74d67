"""What earlier runs in an output folder have left to do, by its journal: which images are there, which jobs
may have been paid for in vain, and what was spent.
"""

from __future__ import annotations

import glob
from typing import Container, Dict, List, Optional, Tuple

from ..api.images import is_whole_file, saved_image_at
from ..api.request import ImageRequest
from ..base.errors import GptImage2Error
from ..base.outcome import Billed, SavedImage
from ..base.record import replace
from ..base.redact import show
from ..telling.as_json import failure_json, image_json
from .journal import ACCEPTED, DONE, FAILED, SENT, SUBMITTED, Entry, Journal, read_journal
from .output_folder import OutputFolder
from .plan import AMBIGUOUS, Plan, PlannedJob


def resume_jobs(
    plan: Plan,
    folder: OutputFolder,
    journal: Optional[Journal],
    retry_ambiguous: bool,
    is_sandbox: Optional[bool],
    under_way: Container[str],
) -> float:
    """Takes out of a plan what the journal of the folder knows to be done, with the Batch API, or in doubt;
    what was spent there, or may have been, in USD. An open journal takes a line for each job of which an
    earlier run could not say that it was done.

    `under_way` are the outputs, by the paths of their first images, that a host still works on or another
    process finishes: their jobs are neither done nor in doubt.
    What the sandbox did counts for the sandbox alone, and what others did for others; `is_sandbox` is None
    where it is not known which of them this run is for, and all counts."""
    spent_usd = _replay(plan, folder, is_sandbox)
    for job, entry in plan.remembered():
        is_under_way = (
            str(folder.outputs(entry.name, ImageRequest(prompt=""), job.named).path(1)) in under_way
        )
        _settle(plan, folder, job, entry, journal, retry_ambiguous, is_under_way)
    return spent_usd


def _replay(plan: Plan, folder: OutputFolder, is_sandbox: Optional[bool]) -> float:
    """Takes the journal into the plan, and adds up what it cost."""
    spent_usd = 0.0
    under_way: Dict[Tuple[str, int], float] = {}
    elsewhere: Dict[Tuple[str, int], float] = {}
    for entry in read_journal(folder.path):
        job = entry.key, entry.copy
        if is_sandbox is not None and entry.sandbox is not is_sandbox:
            plan.remember_elsewhere(entry)
            if entry.event in (SENT, SUBMITTED):
                elsewhere[job] = entry.high_usd
            elif elsewhere.pop(job, None) is None and under_way.pop(job, None) is not None:
                plan.forget(entry)  # it was sent before its host had said what it is
            continue
        plan.remember(entry)
        if entry.event in (SENT, SUBMITTED):
            spent_usd += under_way.get(job, 0.0)  # sent before, and its end is not known
            under_way[job] = entry.high_usd
            continue
        high_usd = under_way.pop(job, None)
        if high_usd is None:
            high_usd = elsewhere.pop(job, None)
        if high_usd is not None and entry.billed is not Billed.NO:
            spent_usd += high_usd if entry.cost_usd is None else entry.cost_usd
    return spent_usd + sum(under_way.values())


def _settle(
    plan: Plan,
    folder: OutputFolder,
    job: PlannedJob,
    entry: Entry,
    journal: Optional[Journal],
    retry_ambiguous: bool,
    is_under_way: bool,
) -> None:
    """Decides what is left of a job by its last line in the journal."""
    there = _images_there(plan, folder, job, entry)
    missing = sorted(set(job.missing) - {image.number for image in there})
    outcome: Dict[str, object] = {
        "images": [image_json(image) for image in there],
        "billed": entry.billed.value,
        "cost_usd": entry.cost_usd,
        "resumed": True,
    }
    if not missing:
        if entry.event != DONE and journal is not None:
            journal.extend([replace(entry, event=DONE, images=folder.below(there), billed=Billed.YES)])
        plan.end(job.number, DONE, {**outcome, "billed": Billed.YES.value})
    elif is_under_way:
        plan.end(job.number, ACCEPTED, {**outcome, "billed": Billed.MAYBE.value})
    elif entry.event == SUBMITTED:
        plan.end(job.number, SUBMITTED, {**outcome, "batch_id": entry.batch_id})
    elif not retry_ambiguous and (entry.event in (SENT, ACCEPTED) or _is_in_doubt(entry)):
        code, message = entry.code, entry.message
        if entry.event == SENT:
            code, message = "in_flight", "it was in flight when an earlier run ended"
        most = entry.high_usd or job.high_usd
        sum_of_it = f", up to ${most:.4f}" if most else ""
        hint = f"it may have been billed{sum_of_it}; check your usage: it is not sent again"
        aside = _sent_by_model(folder, job, entry)
        if aside:
            hint = f"what the model sent is {aside}: fit, compose or cutout make of it what was asked for"
        doubt = failure_json(GptImage2Error(message, hint=hint, code=code))
        plan.end(job.number, AMBIGUOUS, {**outcome, "billed": Billed.MAYBE.value, "error": doubt})
    elif len(missing) < len(job.missing):
        plan.leave(job.number, missing, there)


def _images_there(plan: Plan, folder: OutputFolder, job: PlannedJob, entry: Entry) -> List[SavedImage]:
    """The images of a job that are on disk, by their numbers: as the journal says, and what a killed run had
    saved but could not say any more, which is a whole image where there was no file."""
    there = {image.number: image for image in folder.still_there(entry.images)}
    if entry.event in (SENT, ACCEPTED) and not entry.existed:
        outputs = folder.outputs(entry.name, ImageRequest(prompt="", n=len(job.missing)), job.named)
        for number in job.missing:
            path = str(outputs.path(number))
            is_candidate = number not in there and not plan.is_anothers(folder.name_of(path), job)
            saved = saved_image_at(path) if is_candidate and is_whole_file(path) else None
            if saved is not None:
                there[number] = replace(saved, number=number)
    return [there[number] for number in sorted(there)]


def _sent_by_model(folder: OutputFolder, job: PlannedJob, entry: Entry) -> str:
    """The image of a job that was to be worked on when its run was killed, by its name; empty without one."""
    outputs = folder.outputs(entry.name, ImageRequest(prompt=""), job.named)
    around = outputs.folder.glob(f"{glob.escape(outputs.stem)}.model*")
    found = sorted(path for path in around if path.suffix in (".png", ".jpg", ".webp"))
    return show(folder.name_of(found[0]), limit=None) if found else ""


def _is_in_doubt(entry: Entry) -> bool:
    """Whether a job failed for which more may have been paid than has come."""
    return entry.event == FAILED and entry.billed is not Billed.NO and not entry.settled
