"""Lists the licence of every dependency of the workspace; exit code 1 if one is not permissive.

    cargo metadata --format-version 1 --locked | python3 .ci/licenses.py

Dependencies of tests, builds and other platforms count, too. Where a crate offers a choice, one permissive licence is
enough; where several apply, all must be.
"""

import hashlib
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0",
    "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip
# Crates that name no expression but hold a text, which somebody has read: its SHA-256, and what it is.
READ = {"d4621cb737ec5621a26bd9c3a49ef2955adf9502ecd0c4b868a2ffa572e99005": "BSD-3-Clause"}
# What an exception adds to a permissive licence takes nothing away.
EXCEPTIONS = {"LLVM-exception"}


def is_permissive(expression):
    """Evaluate an SPDX expression; of an older crate, "A/B" means "A OR B"."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def any_of():
        value = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = all_of() or value
        return value

    def all_of():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = any_of()
            if tokens.pop(0) != ")":
                raise ValueError
            return value
        value = token in PERMISSIVE
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            value = tokens.pop(0) in EXCEPTIONS and value
        return value

    try:
        return any_of() and not tokens
    except (IndexError, ValueError):
        return False


def licence_of(package):
    """Return what a package says of its licence, or what is known of the text that it holds."""
    if package["license"] or not package["license_file"]:
        return package["license"] or ""
    text = Path(package["manifest_path"]).parent / package["license_file"]
    return READ.get(hashlib.sha256(text.read_bytes()).hexdigest(), "")


def main():
    packages = json.load(sys.stdin)["packages"]
    licences, refused = defaultdict(list), []
    for package in packages:
        licence = licence_of(package)
        name = f"{package['name']} {package['version']}"
        licences[licence or "none that it names"].append(name)
        if not is_permissive(licence):
            refused.append(f"{name}: {licence or 'it names no licence'}")
    for licence, names in sorted(licences.items()):
        print(f"{licence}: {', '.join(sorted(names))}")
    print(f"{len(packages)} packages, {len(refused)} of them not permissive")
    for line in refused:
        print(f"not permissive: {line}", file=sys.stderr)
    return 1 if refused or not packages else 0


if __name__ == "__main__":
    # Each run shows first that the rule can fail.
    for expression, expected in [
        ("MIT", True), ("GPL-3.0-only", False), ("GPL-2.0-only OR MIT", True), ("MIT AND GPL-3.0-only", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True), ("MIT/Apache-2.0", True), ("", False), ("MIT OR", False),
        ("Apache-2.0 WITH LLVM-exception", True), ("GPL-3.0-only WITH LLVM-exception", False), ("(MIT", False),
    ]:  # fmt: skip
        if is_permissive(expression) != expected:
            sys.exit(f"the rule is wrong: {expression!r} is taken for {'the opposite of ' + str(expected)}")
    sys.exit(main())
