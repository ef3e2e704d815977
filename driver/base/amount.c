/*
 * amount.c: amounts of bytes as people read them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/amount.h"

#include "base/i18n.h"

char *
replAmount(guint64 bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    gdouble amount = bytes / 1024.0;
    guint unit = 0;

    if (bytes < 1024)
        return g_strdup_printf(P_("%u byte", "%u bytes", bytes), (guint)bytes);
    /* Where the rounded number would be 1024, the next unit says it better. */
    while (amount >= 1023.95 && unit + 1 < G_N_ELEMENTS(units)) {
        amount /= 1024;
        unit++;
    }
    if ((guint64)(amount * 10 + 0.5) % 10 == 0)
        return g_strdup_printf(_("%.0f %s (%llu bytes)"), amount, units[unit], (unsigned long long)bytes);
    return g_strdup_printf(_("%.1f %s (%llu bytes)"), amount, units[unit], (unsigned long long)bytes);
}
