#!/usr/bin/python3
"""Runs in a module's container as a module does that needs a token all the time: asks for a signature ten times a second.

signing_module.py FILE    one JSON array a line: time, status (0: no answer), digest or reason
"""

from __future__ import annotations

import json
import os
import sys
import time
from urllib.parse import quote

from wire import WireError, ask  # pylint: disable=import-error

BODY = {"keyId": "primary", "algo": "HMACSHA256", "data": "aGVsbG8="}


def main() -> None:
    work = os.environ["IOTEDGE_WORKLOADURI"].removeprefix("unix://")
    me = quote(os.environ["IOTEDGE_MODULEID"], safe="")
    target = f"/modules/{me}/genid/{os.environ['IOTEDGE_MODULEGENERATIONID']}/sign?api-version=2019-01-30"
    with open(sys.argv[1], "a", encoding="utf-8", buffering=1) as file:
        while True:
            try:
                answer = ask(work, "POST", target, BODY, timeout_s=30)
                said = [answer.status, answer.json().get("digest") or answer.json().get("message")]
            except (OSError, WireError, ValueError) as error:
                said = [0, repr(error)]
            file.write(json.dumps([time.time(), *said]) + "\n")
            time.sleep(0.1)


if __name__ == "__main__":
    main()
