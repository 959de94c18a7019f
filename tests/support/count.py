"""Counts the cases of all JUnit files in a folder: prints PASSED FAILED SKIPPED."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

passed = failed = skipped = 0
for path in sorted(Path(sys.argv[1]).glob("*.xml")):
    for case in ET.parse(path).iter("testcase"):
        if case.get("status") == "notrun":
            continue  # disabled
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
print(passed, failed, skipped)
