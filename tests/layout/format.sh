#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Holds all C sources to .clang-format: format.sh [--fix]. Names each file that clang-format would change.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ "${1:-}" = --fix ]; then
    find driver include tests tools -name '*.[ch]' -exec clang-format -i {} +
    exit
fi
wrong=$(find driver include tests tools -name '*.[ch]' -print | sort | while read -r file; do
    clang-format "$file" | cmp -s - "$file" || echo "$file"
done)
[ -z "$wrong" ] && exit 0
echo "$wrong"
echo "These are not as .clang-format says: tests/layout/format.sh --fix"
exit 1
