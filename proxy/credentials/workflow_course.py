"""How a workflow's steps are taken, one after the other, and what is left when one of them fails."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.jar import Jar
from proxy.credentials.workflow_run import Run, TokenMaker
from proxy.credentials.workflow_steps import Step


class Watcher(Protocol):
    """Who learns of steps that are skipped."""

    def watch_step(self, name: str, note: str) -> None:
        """Learn that a step was not taken, and why."""


class Ask(Protocol):
    """Gets the token of the credential that saves to this one, with its variables."""

    async def __call__(self, *, fresh: bool) -> Token:
        """Return what it has; if `fresh`, it runs first. Raises FetchError: it has none."""


class Course:
    """The course that every run of one workflow takes.

    `first` are the first values of variables, `brought` the variables that steps bring, `spent` those that may work
    only once.
    """

    def __init__(
        self,
        maker: TokenMaker,
        first: Mapping[str, Secret],
        *,
        brought: Collection[str],
        spent: frozenset[str],
        keeps_cookies: bool,
        starts_over: bool,
        watcher: Watcher,
    ) -> None:
        self.maker = maker
        self._first = first
        self._brought = frozenset(brought)
        self._spent = spent
        self._keeps_cookies = keeps_cookies
        self._starts_over = starts_over
        self._watcher = watcher

    def begin(self, former: Mapping[str, Secret], **more: Secret) -> Run:
        """Return a run that nothing has come of yet; `more` are first values of its own."""
        return Run({**self._first, **more}, former, Jar() if self._keeps_cookies else None)

    async def take(self, steps: Sequence[Step], former: Mapping[str, Secret]) -> Token:
        """Return the token that the steps bring.

        Raises:
            TokenRequestError: there is none; what works only once, and was brought before that, goes with it.
        """
        run = self.begin(former)
        try:
            await self.walk(steps, run)
            return self.maker.make(run)
        except TokenRequestError as error:
            successors = {name: run.variables[name] for name in self._spent & run.brought.keys()}
            successors |= error.variables
            error.variables = {}
            if run.has_spent and successors and (former or not self._starts_over):
                error.variables = {**former, **successors}
            raise

    async def walk(self, steps: Sequence[Step], run: Run) -> None:
        """Take the steps. Raises TokenRequestError: one of them failed."""
        for step in steps:
            await self._take(step, run)

    async def _take(self, step: Step, run: Run) -> None:
        if (why_not := step.skipped_for(run.variables)) is not None:
            self._watcher.watch_step(step.name, why_not)
            return
        new = self.maker.template.names & self._brought - run.brought.keys()
        spent_before, run.has_spent = run.has_spent, run.has_spent or step.spends
        try:
            run.take(await step.take(run.variables, kept=run.variables.keys() - new, jar=run.jar))
        except TokenRequestError as error:
            error.unheeded = not spent_before and (error.unheeded or not step.spends)
            raise


def is_over(refused: TokenRequestError) -> bool:
    """Tell whether what a run began with was refused, or the answer is to log in."""
    return refused.permanent or refused.symptom in {Symptom.REDIRECT, Symptom.PAGE}
