#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Holds all C sources to .clang-format: format.sh [--fix]. Shows each place that clang-format would change.
set -eu
cd "$(dirname "$0")/../.."
mode="--dry-run --Werror"
[ "${1:-}" != --fix ] || mode=-i
# shellcheck disable=SC2086
find driver include tests tools -name '*.[ch]' -exec clang-format $mode {} + && exit
echo "These are not as .clang-format says: tests/layout/format.sh --fix"
exit 1
