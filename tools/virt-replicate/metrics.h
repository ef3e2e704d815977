/*
 * metrics.h: writing Prometheus' text format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Begins a metric: its samples follow. */
void
replMetricBegin(GString *out, const char *name, const char *help);

/* One sample; the rest are label names and values, which end with NULL. A NULL value leaves its label out. */
void
replMetricAdd(GString *out, const char *name, gint64 value, ...) G_GNUC_NULL_TERMINATED;
