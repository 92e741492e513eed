"""Nothing happens after the last event, so it is over.

Part: A
Caught by: arrival_rate
"""

from fractions import Fraction


def measure(trace):
    span = trace.events[-1].at - trace.begin
    here = busy = area = work = 0
    before = trace.begin
    arrived, times, running = {}, [], set()
    for event in trace.events:
        area += here * (event.at - before)
        work += busy * (event.at - before)
        before = event.at
        if event.what == "arrives":
            arrived[event.job] = event.at
            here += 1
        elif event.what == "starts":
            running.add(event.job)
        else:
            running.discard(event.job)
        if event.what == "ends":
            times.append(event.at - arrived[event.job])
            here -= 1
        busy = len(running)
    area += here * (trace.end - before)
    work += busy * (trace.end - before)
    return {
        "arrival_rate": Fraction(len(arrived), span),
        "time_in_system": Fraction(sum(times), len(times)) if times else None,
        "number_in_system": Fraction(area, span),
        "utilisation": Fraction(work, span * trace.workers),
    }
