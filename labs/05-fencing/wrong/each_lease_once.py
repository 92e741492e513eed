"""Who has not reported yet may report.

Part: B
Caught by: only-the-current-lease-counts
"""

heard = set()


def accept(job, report):
    if report.lease in heard:
        return False
    heard.add(report.lease)
    return True
