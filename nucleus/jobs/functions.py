"""How a function travels to a child process: by name where it can, by value where it must.

cloudpickle decides: a function of a module that the child can import is sent as its name;
one of a notebook, a script's ``__main__`` or inside of another function is sent whole.

Unpickling runs what it is given. These bytes go from a process to the children that it
started itself, and never over the network.
"""

import pickle
from typing import cast

from nucleus.jobs.registry import JobFunction


def carry(function: JobFunction) -> bytes:
    """Return ``function`` as bytes; raises whatever pickling it raises."""
    import cloudpickle

    return cast(bytes, cloudpickle.dumps(function))


def unpack(carried: bytes) -> JobFunction:
    """Return the function that ``carry`` packed; raises whatever importing it raises."""
    return cast(JobFunction, pickle.loads(carried))
