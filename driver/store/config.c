/*
 * config.c: the configuration file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/i18n.h"
#include "base/log.h"

#define REPL_CONFIG_NAME "storage-replication.conf"
#define REPL_CONFIG_MAX_bytes (1024 * 1024)
#define REPL_CONFIG_STRING_MAX_bytes 1024
#define REPL_MIB (G_GUINT64_CONSTANT(1) << 20)
#define REPL_GIB (G_GUINT64_CONSTANT(1) << 30)

typedef struct {
    const char *name;
    gsize offset;    /* of the member in ReplConfig */
    gsize size;      /* of the member; 0: it is a string */
    guint64 initial; /* in units of the file, as min and max */
    guint64 min;
    guint64 max;
    guint64 unit; /* member = value * unit */
    const char *initialString;
} ReplConfigKey;

#define REPL_CONFIG_NUMBER(key, member, initial, min, max, unit)                                             \
    {                                                                                                        \
        key, G_STRUCT_OFFSET(ReplConfig, member), sizeof(((ReplConfig *)0)->member), initial, min, max,      \
            unit, NULL                                                                                       \
    }
#define REPL_CONFIG_STRING(key, member, initial)                                                             \
    {                                                                                                        \
        key, G_STRUCT_OFFSET(ReplConfig, member), 0, 0, 0, 0, 0, initial                                     \
    }

/* max_waiting: half of the 20 workers that a daemon has by default. max_size_gib: up to what a file
 * can have (2^63). The limits of helpers are those that OpenStack came to for untrusted images. */
static const ReplConfigKey replConfigKeys[] = {
    REPL_CONFIG_NUMBER("max_jobs", maxJobs, 2, 1, 64, 1),
    REPL_CONFIG_NUMBER("max_waiting", maxWaiting, 10, 0, 10000, 1),
    REPL_CONFIG_NUMBER("max_size_gib", maxSize_bytes, 128, 1, 8589934591, REPL_GIB),
    REPL_CONFIG_STRING("default_key", defaultKey, "ims/default"),
    REPL_CONFIG_NUMBER("bandwidth_mib_per_s", bandwidth_bytesPerSec, 0, 0, 1048576, REPL_MIB),
    REPL_CONFIG_NUMBER("checkpoint_mib", checkpoint_bytes, 32, 1, 64, REPL_MIB),
    REPL_CONFIG_NUMBER("bundle_level", bundleLevel, 3, 0, 9, 1),
    REPL_CONFIG_NUMBER("serve_hosts", serveHosts, 0, 0, 1, 1),
    REPL_CONFIG_NUMBER("peer_gone_seconds", peerGone_s, 600, 1, 604800, 1),
    REPL_CONFIG_NUMBER("qemu_img_seconds", helperTime_s, 30, 1, 3600, 1),
    REPL_CONFIG_NUMBER("qemu_img_memory_mib", helperMemory_bytes, 1024, 256, 1048576, REPL_MIB),
    REPL_CONFIG_STRING("trusted_libvirt", trustedLibvirt, ""),
    REPL_CONFIG_NUMBER("peer_seconds", peerWait_s, 5, 1, 60, 1),
    REPL_CONFIG_NUMBER("max_peer_waiting", peerMaxWaiting, 5, 1, 10000, 1),
    REPL_CONFIG_STRING("peer_uris", peerUris, ""),
};

static void
replConfigSetNumber(ReplConfig *config, const ReplConfigKey *key, guint64 value)
{
    value *= key->unit;
    if (key->size == sizeof(guint))
        G_STRUCT_MEMBER(guint, config, key->offset) = value;
    else
        G_STRUCT_MEMBER(guint64, config, key->offset) = value;
}

static void
replConfigSetString(ReplConfig *config, const ReplConfigKey *key, const char *value)
{
    char **member = G_STRUCT_MEMBER_P(config, key->offset);

    g_free(*member);
    *member = g_strdup(value);
}

static void
replConfigReset(ReplConfig *config, const ReplConfigKey *key)
{
    if (key->size)
        replConfigSetNumber(config, key, key->initial);
    else
        replConfigSetString(config, key, key->initialString);
}

static ReplConfig *
replConfigNew(void)
{
    ReplConfig *config = g_new0(ReplConfig, 1);
    guint i;

    for (i = 0; i < G_N_ELEMENTS(replConfigKeys); i++)
        replConfigReset(config, &replConfigKeys[i]);
    return config;
}

void
replConfigFree(ReplConfig *config)
{
    guint i;

    if (!config)
        return;
    for (i = 0; i < G_N_ELEMENTS(replConfigKeys); i++) {
        if (!replConfigKeys[i].size)
            g_free(G_STRUCT_MEMBER(char *, config, replConfigKeys[i].offset));
    }
    g_free(config);
}

ReplConfig *
replConfigCopy(const ReplConfig *config)
{
    ReplConfig *copy = g_memdup2(config, sizeof(*config));
    guint i;

    for (i = 0; i < G_N_ELEMENTS(replConfigKeys); i++) {
        if (!replConfigKeys[i].size) {
            char **member = G_STRUCT_MEMBER_P(copy, replConfigKeys[i].offset);

            *member = g_strdup(*member);
        }
    }
    return copy;
}

static const ReplConfigKey *
replConfigFindKey(const char *name)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(replConfigKeys); i++) {
        if (g_str_equal(replConfigKeys[i].name, name))
            return &replConfigKeys[i];
    }
    return NULL;
}

/* The value of "value", 'value' or value, each perhaps with a comment behind; NULL when it is none.
 * Works in @text. */
static char *
replConfigValue(char *text)
{
    char quote = *text;
    char *end;

    if (quote != '"' && quote != '\'') {
        if ((end = strchr(text, '#')))
            *end = '\0';
        g_strchomp(text);
        return *text && !strpbrk(text, "\"'") ? text : NULL;
    }
    if (!(end = strchr(text + 1, quote)))
        return NULL;
    *end++ = '\0';
    g_strchug(end);
    return *end == '\0' || *end == '#' ? text + 1 : NULL;
}

/* A @value of NULL is one that could not be read. */
static void
replConfigApply(ReplConfig *config, const ReplConfigKey *key, const char *value, const char *path, guint line)
{
    guint64 number;

    replConfigReset(config, key);
    if (!value) {
        replWarn(_("%s:%u: %s has no valid value; using the default"), path, line, key->name);
    } else if (!key->size) {
        if ((*value || !*key->initialString) && strlen(value) <= REPL_CONFIG_STRING_MAX_bytes)
            replConfigSetString(config, key, value);
        else
            replWarn(_("%s:%u: %s must have 1 to %d bytes; using '%s'"), path, line, key->name,
                     REPL_CONFIG_STRING_MAX_bytes, key->initialString);
    } else if (g_ascii_string_to_unsigned(value, 10, key->min, key->max, &number, NULL)) {
        replConfigSetNumber(config, key, number);
    } else {
        replWarn(_("%s:%u: %s must be a number from %llu to %llu, not '%s'; using %llu"), path, line,
                 key->name, (unsigned long long)key->min, (unsigned long long)key->max, value,
                 (unsigned long long)key->initial);
    }
}

/* One line without its end; changed. */
static void
replConfigLine(ReplConfig *config, char *text, const char *path, guint line)
{
    const ReplConfigKey *key;
    char *value;

    g_strstrip(text);
    if (!*text || *text == '#')
        return;
    if (!g_utf8_validate(text, -1, NULL) || !(value = strchr(text, '='))) {
        replWarn(_("%s:%u: the line is not of the form 'key = value'; ignored"), path, line);
        return;
    }
    *value++ = '\0';
    g_strchomp(text);
    g_strchug(value);
    if (!(key = replConfigFindKey(text)))
        replWarn(_("%s:%u: there is no key '%s'; ignored"), path, line, text);
    else
        replConfigApply(config, key, replConfigValue(value), path, line);
}

/* NULL when there is no file or it cannot be read. An administrator's link is followed. */
static char *
replConfigRead(const char *path)
{
    g_auto(ReplFd) fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_autofree char *data = NULL;
    struct stat st;
    ssize_t len;

    if (fd < 0 && errno == ENOENT)
        return NULL;
    if (fd < 0 || fstat(fd, &st) < 0) {
        replWarn(_("Cannot read '%s', using the defaults: %s"), path, g_strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > REPL_CONFIG_MAX_bytes) {
        replWarn(_("'%s' is not a regular file of at most %d bytes, using the defaults"), path,
                 REPL_CONFIG_MAX_bytes);
        return NULL;
    }
    data = g_malloc(st.st_size + 1);
    if ((len = replPreadFull(fd, data, st.st_size, 0)) < 0 || memchr(data, 0, len)) {
        replWarn(_("Cannot read '%s' as text, using the defaults"), path);
        return NULL;
    }
    data[len] = '\0';
    return g_steal_pointer(&data);
}

ReplConfig *
replConfigLoad(const char *path)
{
    ReplConfig *config = replConfigNew();
    g_autofree char *data = replConfigRead(path);
    char *line = data;
    guint number = 0;

    while (line) {
        char *end = strchr(line, '\n');

        if (end)
            *end++ = '\0';
        replConfigLine(config, line, path, ++number);
        line = end;
    }
    return config;
}

char *
replConfigPath(gboolean privileged)
{
    if (privileged)
        return g_strdup("/etc/libvirt/" REPL_CONFIG_NAME);
    return g_build_filename(g_get_user_config_dir(), "libvirt", REPL_CONFIG_NAME, NULL);
}
