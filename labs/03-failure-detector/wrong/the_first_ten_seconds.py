"""Ten seconds after the master began to listen, everybody has been heard.

Part: A
Caught by: who-just-spoke-lives
"""


def is_alive(worker, now):
    return now - worker.listening_since <= 10
