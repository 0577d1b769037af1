"""Whole runs of pipelines under everything that can go wrong, each made up by a seed that gives it again.

The engine runs as it is; time, threads, files and servers are those of `penstock.testing.simulation`. A scenario is
run twice: in peace, and with what the seed does to it: processes killed at any point, power lost, full disks, syncs
that fail, processes that wake after others have taken over, connections that break when an answer is on its way. What
the outputs hold in the end must be what the plan means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.testing.compare import CheckFailed
from penstock.testing.simulation.judging import compare
from penstock.testing.simulation.scenario import Scenario
from penstock.testing.simulation.trial import Result, Trial


@dataclass
class Outcome:
    """What came of a seed.

    Attributes:
        seed: The seed.
        violations: What was wrong; empty if all is well.
        counts: What was done, and how often.
        points: How many points were passed.
        digest: A digest of the whole trace: the same for the same seed and program.
        trace: The trace, or its last lines.
    """

    seed: int
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    points: int = 0
    digest: str = ""
    trace: Sequence[str] = ()

    def __str__(self) -> str:
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        found = "".join(f"\n  {line}" for line in self.violations)
        return f"seed {self.seed}: {len(self.violations)} violations ({done}; {self.points} points){found}"

    def require(self) -> Outcome:
        """Fail if something was wrong.

        Raises:
            CheckFailed: With the seed, what was wrong, and the end of the trace.
        """
        if self.violations:
            raise CheckFailed(
                f"{self}\nrun it again: python -m penstock.testing.simulator --seed {self.seed} --trace\n"
                + "\n".join(list(self.trace)[-60:])
            )
        return self


def simulate(seed: int, *, trace: bool = False) -> Outcome:
    """Run what a seed makes up.

    Args:
        seed: Any number.
        trace: Whether the whole trace is kept, and not its end only.
    """
    scenario = Scenario.draw(seed)
    calm = Trial(scenario, tracing=trace)
    results = [calm.run()]
    wanted = scenario.reference(calm.pipeline)
    wrong = _judge(scenario, results[0], wanted, "in peace")
    if not wrong:
        results.append(Trial(scenario, results[0], tracing=trace).run())
        wrong += _judge(scenario, results[1], wanted, "in the storm")
    last = results[-1]
    digest = "".join(result.digest for result in results)
    return Outcome(seed, wrong, last.counts, sum(result.points for result in results), digest, last.lines)


def _judge(scenario: Scenario, result: Result, wanted: dict[str, list[tuple[str, int]]], when: str) -> list[str]:
    wrong = [f"{when}: {what}" for what in result.wrong]
    for name, kind in scenario.shape.kinds.items():
        whole = result.refused is None and not result.wrong
        found = compare(kind, result.outputs[name], wanted[name], whole=whole)
        if found is not None:
            wrong.append(f'{when}: the output "{name}": {found}')
    return wrong
