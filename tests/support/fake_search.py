"""The command `dse.search` on the fake network, for tests that kill it: python -m fake_search ..."""

import sys

from fake_task import FakeTask

from dse.search import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], FakeTask))
