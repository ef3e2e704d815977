#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh PLAIN SOURCES SECONDS INCLUDE…: fuzzes with clang's coverage-guided fuzzer and its sanitizers where they are
# installed; where they are not, PLAIN, the same harness with mutations at random, runs alone.
set -eu
plain=$1
root=$2
seconds=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$plain" "$seconds"
mkdir "$work/corpus"
"$plain" --corpus "$work/corpus"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n){return d && n > 9999;}' >"$work/try.c"
clang -fsanitize=fuzzer,address,undefined "$work/try.c" -o "$work/try" 2>/dev/null || {
    echo "clang has no fuzzer here: only mutations at random were tried"
    exit 0
}
# shellcheck disable=SC2046
clang -std=gnu11 -g -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DGETTEXT_PACKAGE='"x"' -DREPL_VERSION='"x"' \
    -DREPL_LOCALEDIR='"/x"' -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -I"$root/driver" -I"$root/include" -I"$root/build/include" $(pkg-config --cflags glib-2.0 libvirt libzstd libxxhash) \
    "$root/tests/fuzz/fuzz_wire.c" "$root"/driver/wire/*.c "$root/driver/store/text.c" "$root/driver/qcow2/format.c" \
    "$root"/driver/model/*.c "$root"/driver/base/error.c "$root"/driver/base/fd.c "$root"/driver/base/words.c \
    "$root"/driver/base/i18n.c $(pkg-config --libs glib-2.0 libvirt libzstd libxxhash) -o "$work/fuzz"
"$work/fuzz" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$work/" "$work/corpus"
