"""What can be walked through is a list.

Part: A
Caught by: wrong-answer
"""

from itertools import chain


def recover(lost, waiting):
    back = sorted(lost, key=lambda job: job.number)
    return chain(back, waiting)
