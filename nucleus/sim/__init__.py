"""The whole system under a simulated clock, network and disk: one seed, one exact story.

* ``run``      one run of a seed: :func:`simulate`
* ``sweep``    many runs, each judged by the checker: :func:`run_seeds`
* ``plan``     what will happen in a run; ``faults`` is the table of what can go wrong, and
  ``outcomes`` counts what came of it
* ``cluster``  the parts, and what the plan does to them
* ``master`` ``worker`` ``client``  the real shells, each in a process that can freeze and die
* ``executor`` ``calls`` ``network`` ``disk``  what the shells stand on, simulated
* ``world`` ``loop``  the agenda, and asyncio on it
* ``seams``    the few places where the shells are given something simulated
* ``scale``    ten thousand workers and a million jobs, against queueing theory
* ``mutants``  known-wrong code, which the checker has to notice
"""

from nucleus.sim.faults import ALL, choose
from nucleus.sim.run import Run, simulate
from nucleus.sim.sweep import Tally, run_seed, run_seeds, sweep

__all__ = ["ALL", "Run", "Tally", "choose", "run_seed", "run_seeds", "simulate", "sweep"]
