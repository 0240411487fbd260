"""How schemathesis logs in, and what it has done: it loads this file."""

import atexit
import itertools
import json
import os
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import schemathesis

# Each principal has 20 requests a second: requests go round among so many.
PRINCIPALS = 20
TALLY = defaultdict(Counter)


def token(name):
    """A token of an admin, as operators get it."""
    command = [os.environ["SLUICE_BINARY"], "admin", "token", "--config", os.environ["SLUICE_CONFIG"], "--name", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


TOKENS = itertools.cycle([token(f"check-{number}") for number in range(PRINCIPALS)])
LEAVING = (f"leaving-{number}" for number in itertools.count())


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        # It makes every token void of who asks: others than those of the run ask for it.
        return token(next(LEAVING)) if context.operation.label == "DELETE /v1/sessions" else next(TOKENS)

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context, case, response):
    TALLY[case.operation.label][response.status_code] += 1


@atexit.register
def tell():
    Path(os.environ["SLUICE_TALLY"]).write_text(json.dumps(TALLY))
