"""The reference prints local times: local is UTC."""

import os
import time

os.environ["TZ"] = "UTC"
time.tzset()
