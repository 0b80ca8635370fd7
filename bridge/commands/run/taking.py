"""What comes out of jobs: put in its place, remembered, and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accel.image import reading
from bridge.commands.run.batch import Outcome
from bridge.commands.run.jobs import Job
from bridge.commands.run.made import Inputs, Made, job_key, states
from bridge.commands.run.outputs import Outputs
from bridge.commands.run.telling import Teller

if TYPE_CHECKING:
    from bridge.commands.run.plan import Plan


class Dropping:
    """Without a folder for outputs: values are told, files are dropped."""

    drafts: Path | None = None

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def inputs(self, job: Job) -> Inputs:
        return ()

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        return None

    def take(self, job: Job, outcome: Outcome) -> None:
        if outcome.result is not None:
            self._teller.done(job, outcome.result, [])
            if outcome.result.files:
                self._teller.dropped()
        elif outcome.error is not None:
            self._teller.failed(job, outcome.error)


class Keeping:
    """With one: files are kept, and earlier ones of the same may be good enough."""

    def __init__(
        self, teller: Teller, outputs: Outputs, made: Made, plan: Plan, *, drafts: Path, resume: bool
    ) -> None:
        self.drafts: Path | None = drafts
        self._teller = teller
        self._outputs = outputs
        self._made = made
        self._recipe = [plan.recipe, plan.essence, reading.VERSION]
        self._resume = resume

    def inputs(self, job: Job) -> Inputs:
        try:
            return states(job.files)
        except OSError:
            # Whoever opens it says what is wrong.
            return ()

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        return self._made.current(self._key(job), inputs) if self._resume else None

    def take(self, job: Job, outcome: Outcome) -> None:
        from accel.workload import WorkloadError

        if outcome.current is not None:
            self._outputs.reserve(outcome.current)
            self._teller.skipped(job, outcome.current)
        elif outcome.error is not None:
            self._teller.failed(job, outcome.error)
        elif outcome.result is not None:
            key = self._key(job)
            try:
                written = self._outputs.keep(job, key, outcome.result.files)
            except WorkloadError as error:
                self._teller.failed(job, error)
                return
            self._made.done(key, outcome.inputs, written)
            self._teller.done(job, outcome.result, written)

    def _key(self, job: Job) -> bytes:
        return job_key(self._recipe, job.files, f"{self._outputs.place(job)}/{job.stem or job.name}")
