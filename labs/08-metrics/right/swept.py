"""The stale are swept out before anybody reads, and families are made from a table."""

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exporter:
    def __init__(self):
        self.pushed, self.jobs = {}, {}

    def push(self, now, worker, jobs):
        self.pushed[worker], self.jobs[worker] = now, jobs

    def forget(self, worker):
        self.pushed.pop(worker, None)
        self.jobs.pop(worker, None)

    def text(self, now):
        for worker in [w for w, at in self.pushed.items() if at + 30 < now]:
            self.forget(worker)
        ages = {worker: now - at for worker, at in self.pushed.items()}
        return self.family("nucleus_worker_jobs_total", "counter", self.jobs) + self.family(
            "nucleus_worker_age_seconds", "gauge", ages
        )

    def family(self, name, kind, values):
        text = f"# HELP {name} Of a worker.\n# TYPE {name} {kind}\n"
        for worker in sorted(values):
            text += f'{name}{{worker="{worker.translate(ESCAPES)}"}} {float(values[worker])}\n'
        return text
