"""A name holds nothing but letters.

Part: A
Caught by: text-format
"""


def escaped(value):
    return value


class Exporter:
    def __init__(self):
        self.latest = {}

    def push(self, now, worker, jobs):
        self.latest[worker] = (now, jobs)

    def forget(self, worker):
        self.latest.pop(worker, None)

    def text(self, now):
        alive = {w: (at, jobs) for w, (at, jobs) in self.latest.items() if now - at <= 30}
        lines = [
            "# HELP nucleus_worker_jobs_total Jobs done.",
            "# TYPE nucleus_worker_jobs_total counter",
        ]
        for worker, (_, jobs) in alive.items():
            lines.append(f'nucleus_worker_jobs_total{{worker="{escaped(worker)}"}} {jobs}')
        lines += [
            "# HELP nucleus_worker_age_seconds Time since the last push.",
            "# TYPE nucleus_worker_age_seconds gauge",
        ]
        for worker, (at, _) in alive.items():
            lines.append(f'nucleus_worker_age_seconds{{worker="{escaped(worker)}"}} {now - at}')
        return "\n".join(lines) + "\n"
