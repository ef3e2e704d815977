/*
 * policy.c: which images are kept in which regions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <libintl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "size.h"

#define _(str) gettext(str)

#define REPL_POLICY_MAX_bytes (1 << 20)
#define REPL_POLICY_FANOUT 3
#define REPL_POLICY_PARALLEL 2
#define REPL_POLICY_DAY_min (24 * 60)

static void
replPolicyRuleFree(gpointer data)
{
    ReplPolicyRule *rule = data;

    g_free(rule->name);
    g_free(rule->from);
    g_strfreev(rule->regions);
    g_strfreev(rule->images);
    g_strfreev(rule->families);
    g_strfreev(rule->types);
    g_free(rule->encryption);
    g_free(rule);
}

void
replPolicyFree(ReplPolicy *policy)
{
    g_ptr_array_free(policy->rules, TRUE);
    g_array_free(policy->windows, TRUE);
    g_hash_table_destroy(policy->distance);
    g_free(policy);
}

static bool
replPolicyBad(GError **error, const char *group, const char *key, const char *value)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, _("[%s] %s: '%s' is not valid"),
                group, key, value);
    return false;
}

/* "22:00-06:00 100MiB/s"; the rate may be missing. */
static bool
replPolicyParseWindow(const char *text, ReplPolicyWindow *window)
{
    g_autofree char *rate = g_strdup("");
    int h1, m1, h2, m2, used = 0;

    if (sscanf(text, "%2d:%2d-%2d:%2d%n", &h1, &m1, &h2, &m2, &used) != 4 || used == 0)
        return false;
    if (h1 < 0 || h1 > 24 || h2 < 0 || h2 > 24 || m1 < 0 || m1 > 59 || m2 < 0 || m2 > 59)
        return false;
    window->from = h1 * 60 + m1;
    window->to = h2 * 60 + m2;
    window->rate = 0;
    g_free(rate);
    rate = g_strstrip(g_strdup(text + used));
    return window->from <= REPL_POLICY_DAY_min && window->to <= REPL_POLICY_DAY_min &&
           window->from != window->to && (!*rate || replRateParse(rate, &window->rate));
}

static bool
replPolicyReadWindows(GKeyFile *file, ReplPolicy *policy, GError **error)
{
    g_auto(GStrv) list = g_key_file_get_string_list(file, "policy", "bandwidth", NULL, NULL);
    guint i;

    for (i = 0; list && list[i]; i++) {
        const char *text = g_strstrip(list[i]);
        ReplPolicyWindow window = {0, REPL_POLICY_DAY_min, 0};

        if (!strchr(text, ':') ? !replRateParse(text, &window.rate) : !replPolicyParseWindow(text, &window))
            return replPolicyBad(error, "policy", "bandwidth", text);
        g_array_append_val(policy->windows, window);
    }
    return true;
}

/* A whole number from @least to @most; @value stays as it is when the key is absent. */
static bool
replPolicyReadNumber(GKeyFile *file, const char *group, const char *key, guint least, guint most,
                     guint *value, GError **error)
{
    g_autofree char *text = g_key_file_get_string(file, group, key, NULL);
    guint64 number;

    if (!text)
        return true;
    if (!g_ascii_string_to_unsigned(g_strstrip(text), 10, least, most, &number, NULL))
        return replPolicyBad(error, group, key, text);
    *value = (guint)number;
    return true;
}

static bool
replPolicyReadDistances(GKeyFile *file, ReplPolicy *policy, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, "distance", NULL, NULL);
    guint i;

    for (i = 0; keys && keys[i]; i++) {
        g_autofree char *text = g_key_file_get_string(file, "distance", keys[i], NULL);
        g_auto(GStrv) pair = g_strsplit(keys[i], " ", 2);
        char *end = NULL;
        double value = g_ascii_strtod(text, &end);

        if (!pair[0] || !pair[1] || !*text || *end || !(value >= 0))
            return replPolicyBad(error, "distance", keys[i], text);
        g_hash_table_insert(policy->distance, g_strdup_printf("%s %s", pair[0], g_strstrip(pair[1])),
                            g_memdup2(&value, sizeof(value)));
        g_hash_table_insert(policy->distance, g_strdup_printf("%s %s", g_strstrip(pair[1]), pair[0]),
                            g_memdup2(&value, sizeof(value)));
    }
    return true;
}

/* A list without blanks around its words; never NULL. */
static char **
replPolicyList(GKeyFile *file, const char *group, const char *key)
{
    char **list = g_key_file_get_string_list(file, group, key, NULL, NULL);
    guint i;

    if (!list)
        return g_new0(char *, 1);
    for (i = 0; list[i]; i++)
        g_strstrip(list[i]);
    return list;
}

static bool
replPolicyKnownKeys(GKeyFile *file, const char *group, const char *const *known, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);
    guint i;

    for (i = 0; keys && keys[i]; i++) {
        if (g_strv_contains(known, keys[i]))
            continue;
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND, _("[%s] has no key '%s'"), group,
                    keys[i]);
        return false;
    }
    return true;
}

static bool
replPolicyReadRule(GKeyFile *file, const char *group, ReplPolicy *policy, GError **error)
{
    static const char *const known[] = {"from",     "regions",    "images", "families", "types",
                                        "versions", "encryption", "delete", NULL};
    g_autofree char *deletes = g_key_file_get_string(file, group, "delete", NULL);
    ReplPolicyRule *rule;

    if (!replPolicyKnownKeys(file, group, known, error))
        return false;
    rule = g_new0(ReplPolicyRule, 1);
    g_ptr_array_add(policy->rules, rule);
    rule->name = g_strdup(group + strlen("rule "));
    rule->from = g_key_file_get_string(file, group, "from", NULL);
    rule->regions = replPolicyList(file, group, "regions");
    rule->images = replPolicyList(file, group, "images");
    rule->families = replPolicyList(file, group, "families");
    rule->types = replPolicyList(file, group, "types");
    rule->encryption = g_key_file_get_string(file, group, "encryption", NULL);
    if (!rule->encryption)
        rule->encryption = g_strdup("keep");
    if (deletes && strcmp(deletes, "yes") != 0 && strcmp(deletes, "no") != 0)
        return replPolicyBad(error, group, "delete", deletes);
    rule->deletes = g_strcmp0(deletes, "yes") == 0;
    if (!rule->from || !rule->regions[0] || (!rule->images[0] && !rule->families[0])) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                    _("[%s] needs 'from', 'regions', and 'images' or 'families'"), group);
        return false;
    }
    return replPolicyReadNumber(file, group, "versions", 1, 1000, &rule->versions, error);
}

static bool
replPolicyRead(GKeyFile *file, ReplPolicy *policy, GError **error)
{
    static const char *const known[] = {"bandwidth", "fan-out", "parallel", NULL};
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    guint i;

    if (!replPolicyKnownKeys(file, "policy", known, error) || !replPolicyReadWindows(file, policy, error) ||
        !replPolicyReadNumber(file, "policy", "fan-out", 1, 1000, &policy->fanout, error) ||
        !replPolicyReadNumber(file, "policy", "parallel", 1, 100, &policy->parallel, error) ||
        !replPolicyReadDistances(file, policy, error))
        return false;
    for (i = 0; groups[i]; i++) {
        if (g_str_has_prefix(groups[i], "rule ")) {
            if (!replPolicyReadRule(file, groups[i], policy, error))
                return false;
        } else if (strcmp(groups[i], "policy") != 0 && strcmp(groups[i], "distance") != 0) {
            g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
                        _("[%s] is not a group of a policy: [policy], [distance] and [rule NAME] are"),
                        groups[i]);
            return false;
        }
    }
    if (policy->rules->len == 0) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
                    _("There is no [rule NAME] in it"));
        return false;
    }
    return true;
}

ReplPolicy *
replPolicyParse(const char *text, gsize size, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(ReplPolicy) policy = g_new0(ReplPolicy, 1);

    policy->rules = g_ptr_array_new_with_free_func(replPolicyRuleFree);
    policy->windows = g_array_new(FALSE, TRUE, sizeof(ReplPolicyWindow));
    policy->distance = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    policy->fanout = REPL_POLICY_FANOUT;
    policy->parallel = REPL_POLICY_PARALLEL;
    if (!g_key_file_load_from_data(file, text, size, G_KEY_FILE_NONE, error) ||
        !replPolicyRead(file, policy, error))
        return NULL;
    return g_steal_pointer(&policy);
}

/* Whoever may write the policy may have any image copied and deleted: it must be the caller alone. */
static bool
replPolicyCheckOwner(int fd, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(errno), g_strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode))
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, _("It is not a plain file"));
    else if (st.st_uid != geteuid())
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM, _("It belongs to user %u, and not to you (%u)"),
                    st.st_uid, geteuid());
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_PERM, _("Others may write to it: chmod go-w"));
    else
        return true;
    return false;
}

static char *
replPolicyReadAll(int fd, gsize *size, GError **error)
{
    g_autofree char *text = g_malloc(REPL_POLICY_MAX_bytes);
    ssize_t got = 1;

    for (*size = 0; got > 0 && *size < REPL_POLICY_MAX_bytes; *size += (gsize)MAX(got, 0))
        got = TEMP_FAILURE_RETRY(read(fd, text + *size, REPL_POLICY_MAX_bytes - *size));
    if (got < 0) {
        g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(errno), g_strerror(errno));
        return NULL;
    }
    if (*size >= REPL_POLICY_MAX_bytes) {
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, _("It is too large"));
        return NULL;
    }
    return g_steal_pointer(&text);
}

ReplPolicy *
replPolicyLoad(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autofree char *text = NULL;
    gsize size = 0;

    if (fd < 0) {
        g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(errno), g_strerror(errno));
        return NULL;
    }
    if (replPolicyCheckOwner(fd, error))
        text = replPolicyReadAll(fd, &size, error);
    close(fd);
    return text ? replPolicyParse(text, size, error) : NULL;
}

bool
replPolicyOpenAt(const ReplPolicy *policy, int minute, guint64 *rate)
{
    guint i;

    *rate = 0;
    if (policy->windows->len == 0)
        return true;
    for (i = 0; i < policy->windows->len; i++) {
        const ReplPolicyWindow *window = &g_array_index(policy->windows, ReplPolicyWindow, i);
        bool inside = window->from < window->to ? minute >= window->from && minute < window->to
                                                : minute >= window->from || minute < window->to;

        if (inside) {
            *rate = window->rate;
            return true;
        }
    }
    return false;
}

char *
replPolicyFamily(const char *name, const char **version)
{
    const char *p;

    for (p = name; *p; p++) {
        const char *digit = p + 1 + (p[0] && (p[1] == 'v' || p[1] == 'V'));

        if (p > name && strchr("-_.", *p) && g_ascii_isdigit(*digit)) {
            *version = p + 1;
            return g_strndup(name, (gsize)(p - name));
        }
    }
    *version = "";
    return g_strdup(name);
}

static bool
replPolicyGlob(char **globs, const char *word)
{
    for (; *globs; globs++) {
        if (g_pattern_match_simple(*globs, word))
            return true;
    }
    return false;
}

bool
replPolicyMatches(const ReplPolicyRule *rule, const char *name, const char *type)
{
    const char *version;
    g_autofree char *family = replPolicyFamily(name, &version);

    if (rule->types[0] && !(type && g_strv_contains((const char *const *)rule->types, type)))
        return false;
    return replPolicyGlob(rule->images, name) || replPolicyGlob(rule->families, family);
}

bool
replPolicyWants(const ReplPolicyRule *rule, const char *region)
{
    return strcmp(region, rule->from) != 0 && replPolicyGlob(rule->regions, region);
}
