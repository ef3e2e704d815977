/*
 * table.c: rows in aligned columns
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "table.h"

#include <stdio.h>

struct _ReplTable {
    const ReplTerm *term;
    guint columns;
    bool *right;
    GPtrArray *cells; /* the titles first */
    GArray *colors;   /* ReplColor of each cell */
};

ReplTable *
replTableNew(const ReplTerm *term, const char *const *titles)
{
    ReplTable *table = g_new0(ReplTable, 1);
    guint i;

    table->term = term;
    table->columns = g_strv_length((char **)titles);
    table->right = g_new0(bool, table->columns);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    table->colors = g_array_new(FALSE, TRUE, sizeof(ReplColor));
    for (i = 0; i < table->columns; i++) {
        table->right[i] = titles[i][0] == '>';
        /* A blank stays one: an empty cell would show as "-". */
        replTableAddColored(table, titles[i][table->right[i]] ? titles[i] + table->right[i] : " ",
                            REPL_COLOR_BOLD);
    }
    return table;
}

void
replTableFree(ReplTable *table)
{
    g_free(table->right);
    g_ptr_array_free(table->cells, TRUE);
    g_array_free(table->colors, TRUE);
    g_free(table);
}

void
replTableAddColored(ReplTable *table, const char *text, ReplColor color)
{
    g_ptr_array_add(table->cells, text && *text ? replTermClean(text) : g_strdup("-"));
    g_array_append_val(table->colors, color);
}

void
replTableAdd(ReplTable *table, const char *text)
{
    replTableAddColored(table, text, REPL_COLOR_NONE);
}

void
replTableTake(ReplTable *table, char *text)
{
    replTableAdd(table, text);
    g_free(text);
}

static void
replTableWidths(const ReplTable *table, int *widths)
{
    guint i;

    for (i = 0; i < table->cells->len; i++) {
        int width = replTermWidth(g_ptr_array_index(table->cells, i));

        widths[i % table->columns] = MAX(widths[i % table->columns], width);
    }
}

static void
replTableRow(const ReplTable *table, GString *out, guint row, const int *widths)
{
    int left = table->term->width > 0 ? table->term->width : G_MAXINT;
    guint i;

    for (i = 0; i < table->columns && left > 0; i++) {
        guint at = row * table->columns + i;
        const char *text = g_ptr_array_index(table->cells, at);
        ReplColor color = g_array_index(table->colors, ReplColor, at);
        g_autofree char *cut = replTermCut(table->term, text, left);
        int pad = MAX(widths[i] - replTermWidth(text), 0);
        bool last = i + 1 == table->columns;

        if (table->right[i] && replTermWidth(cut) + pad <= left)
            g_string_append_printf(out, "%*s", pad, "");
        g_string_append_printf(out, "%s%s%s", replTermOn(table->term, color), cut,
                               replTermOff(table->term, color));
        if (!table->right[i] && !last && replTermWidth(cut) + pad < left)
            g_string_append_printf(out, "%*s", pad, "");
        left -= replTermWidth(cut) + pad;
        if (!last && left > 2)
            g_string_append(out, "  ");
        left -= 2;
    }
    g_string_append_c(out, '\n');
}

char *
replTableText(const ReplTable *table)
{
    g_autofree int *widths = g_new0(int, table->columns);
    GString *out = g_string_new(NULL);
    guint row;

    replTableWidths(table, widths);
    for (row = 0; row < table->cells->len / table->columns; row++)
        replTableRow(table, out, row, widths);
    return g_string_free(out, FALSE);
}

void
replTablePrint(const ReplTable *table, const char *empty)
{
    g_autofree char *text = replTableText(table);

    if (table->cells->len > table->columns)
        fputs(text, stdout);
    else if (empty)
        printf("%s\n", empty);
}
