"""Each job's own story, and sums over them."""

from fractions import Fraction


def measure(trace):
    stories = {}
    for event in trace.events:
        stories.setdefault(event.job, []).append(event)
    ended, there, worked = [], 0, 0
    for story in stories.values():
        over = story[-1].what == "ends"
        until = story[-1].at if over else trace.end
        there += until - story[0].at
        if over:
            ended.append(until - story[0].at)
        stops = [event.at for event in story[1:]] + [trace.end]
        for event, stop in zip(story, stops, strict=False):
            if event.what == "starts":
                worked += stop - event.at
    span = Fraction(trace.end - trace.begin)
    return {
        "arrival_rate": len(stories) / span,
        "time_in_system": Fraction(sum(ended), len(ended)) if ended else None,
        "number_in_system": there / span,
        "utilisation": worked / (span * trace.workers),
    }
