/*
 * size.c: amounts as people read and write them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "size.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static const char replSizeLetters[] = "KMGTPE";

/* What a unit stands for, 0 for none. */
static double
replSizeUnit(const char *unit)
{
    const char *letter;
    double base;

    if (!*unit || g_ascii_strcasecmp(unit, "B") == 0 || g_ascii_strcasecmp(unit, "bytes") == 0)
        return 1;
    letter = strchr(replSizeLetters, g_ascii_toupper(unit[0]));
    if (!letter)
        return 0;
    if (!unit[1] || g_ascii_strcasecmp(unit + 1, "iB") == 0)
        base = 1024;
    else if (g_ascii_strcasecmp(unit + 1, "B") == 0)
        base = 1000;
    else
        return 0;
    return pow(base, (double)(letter - replSizeLetters) + 1);
}

/* A number as the locale writes it becomes one with a dot, which is read everywhere. */
static char *
replSizePlain(const char *text)
{
    const char *point = localeconv()->decimal_point;
    const char *at = *point && strcmp(point, ".") != 0 ? strstr(text, point) : NULL;

    return at ? g_strdup_printf("%.*s.%s", (int)(at - text), text, at + strlen(point)) : g_strdup(text);
}

bool
replSizeParse(const char *text, guint64 *bytes)
{
    g_autofree char *plain = replSizePlain(text);
    char *end = NULL;
    double number, unit;

    if (!g_ascii_isdigit(*plain) || g_ascii_strncasecmp(plain, "0x", 2) == 0)
        return false;
    number = g_ascii_strtod(plain, &end);
    while (*end == ' ')
        end++;
    unit = replSizeUnit(end);
    if (unit <= 0 || !isfinite(number) || number * unit >= (double)G_MAXINT64)
        return false;
    *bytes = (guint64)(number * unit);
    return true;
}

bool
replRateParse(const char *text, guint64 *bytes)
{
    g_autofree char *size = g_strdup(text);

    /* Who writes 20 means MiB/s, as virsh does, and would get bytes: so a number alone is refused. */
    if (*size && g_ascii_isdigit(size[strlen(size) - 1]))
        return false;
    if (g_str_has_suffix(size, "/s"))
        size[strlen(size) - 2] = '\0';
    return replSizeParse(size, bytes) && *bytes > 0;
}

char *
replSizeText(guint64 bytes)
{
    double number = (double)bytes;
    int unit = -1;

    if (bytes < 1024)
        return g_strdup_printf("%" G_GUINT64_FORMAT " B", bytes);
    while (number >= 1023.5 && unit < (int)sizeof(replSizeLetters) - 2) {
        number /= 1024;
        unit++;
    }
    if (number < 9.995)
        return g_strdup_printf("%.2f %ciB", number, replSizeLetters[unit]);
    if (number < 99.95)
        return g_strdup_printf("%.1f %ciB", number, replSizeLetters[unit]);
    return g_strdup_printf("%.0f %ciB", number, replSizeLetters[unit]);
}

char *
replRateText(guint64 bytes)
{
    g_autofree char *size = replSizeText(bytes);

    return g_strconcat(size, "/s", NULL);
}

char *
replTimeText(gint64 seconds)
{
    if (seconds < 0)
        return g_strdup("-");
    if (seconds < 3600)
        return g_strdup_printf("%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
    if (seconds < 24 * 3600)
        return g_strdup_printf("%d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                               (int)(seconds % 60));
    return g_strdup_printf("%" G_GINT64_FORMAT " d %02d h", seconds / (24 * 3600),
                           (int)(seconds / 3600 % 24));
}

char *
replDateText(gint64 when)
{
    g_autoptr(GDateTime) time = when > 0 ? g_date_time_new_from_unix_local(when) : NULL;

    return time ? g_date_time_format(time, "%x %X") : g_strdup("-");
}
