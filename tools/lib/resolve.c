/*
 * resolve.c: which image a person means
 *
 * Names are looked for among images before beginnings of ids, and layers are meant only where
 * nothing else can be: by id, and by pool and volume.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "nearest.h"
#include "resolve.h"

#define REPL_RESOLVE_ID_MIN 4
#define REPL_RESOLVE_LIST_MAX 10

typedef struct {
    const char *region; /* NULL: any */
    const char *name;
} ReplResolveWord;

static bool
replResolveByName(const virtReplicationImage *image, const ReplResolveWord *word)
{
    return !image->isLayer && (!word->region || strcmp(image->region, word->region) == 0) &&
           (strcmp(image->name, word->name) == 0 || strcmp(image->volume, word->name) == 0);
}

static bool
replResolveByID(const virtReplicationImage *image, const ReplResolveWord *word)
{
    return (!word->region || strcmp(image->region, word->region) == 0) &&
           g_ascii_strncasecmp(image->id, word->name, strlen(word->name)) == 0;
}

static bool
replResolveByPool(const virtReplicationImage *image, const ReplResolveWord *word)
{
    size_t len = strlen(image->pool);

    return strncmp(word->name, image->pool, len) == 0 && word->name[len] == '/' &&
           strcmp(word->name + len + 1, image->volume) == 0;
}

static void
replResolveCollect(const GPtrArray *regions, const ReplResolveWord *word,
                   bool (*fits)(const virtReplicationImage *, const ReplResolveWord *), GPtrArray *found)
{
    guint i;
    size_t j;

    for (i = 0; i < regions->len; i++) {
        const virtReplicationRegion *region = g_ptr_array_index(regions, i);

        for (j = 0; j < region->nimages; j++) {
            if (fits(region->images[j], word))
                g_ptr_array_add(found, region->images[j]);
        }
    }
}

/* "region:name", when there is such a region; a name may have a colon of its own. */
static ReplResolveWord
replResolveSplit(const GPtrArray *regions, const char *name)
{
    ReplResolveWord word = {NULL, name};
    guint i;

    for (i = 0; i < regions->len; i++) {
        const virtReplicationRegion *region = g_ptr_array_index(regions, i);
        size_t len = strlen(region->name);

        if (strncmp(name, region->name, len) == 0 && name[len] == ':') {
            word.region = region->name;
            word.name = name + len + 1;
        }
    }
    return word;
}

static bool
replResolveIsID(const char *text)
{
    size_t len = strlen(text);

    return len >= REPL_RESOLVE_ID_MIN && len <= 36 && strspn(text, "0123456789abcdefABCDEF-") == len;
}

static void
replResolveSeveral(const char *name, const GPtrArray *found)
{
    g_autoptr(GString) list = g_string_new(NULL);
    guint i;

    for (i = 0; i < found->len && i < REPL_RESOLVE_LIST_MAX; i++) {
        const virtReplicationImage *image = g_ptr_array_index(found, i);

        g_string_append_printf(list, "\n  %s/%s (%s:%s, %.8s)", image->pool, image->volume, image->region,
                               image->name, image->id);
    }
    if (found->len > REPL_RESOLVE_LIST_MAX)
        g_string_append(list, "\n  …");
    replError(VIR_ERR_INVALID_ARG, _("'%s' means %u images; name one of them as on these lines:%s"), name,
              found->len, list->str);
}

/* Every word that could have been meant: names, volumes, and both with the region or pool in front.
 */
static void
replResolveNone(const GPtrArray *regions, const char *name, const ReplResolveWord *word)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    const char *near;
    guint i;
    size_t j;

    for (i = 0; i < regions->len; i++) {
        const virtReplicationRegion *region = g_ptr_array_index(regions, i);

        for (j = 0; j < region->nimages; j++) {
            const virtReplicationImage *image = region->images[j];

            if (!image->isLayer && (!word->region || strcmp(word->region, image->region) == 0)) {
                g_ptr_array_add(words, g_strdup(image->name));
                g_ptr_array_add(words, g_strdup(image->volume));
            }
            if (strchr(name, '/'))
                g_ptr_array_add(words, g_strdup_printf("%s/%s", image->pool, image->volume));
            if (!word->region && strchr(name, ':') && !image->isLayer)
                g_ptr_array_add(words, g_strdup_printf("%s:%s", image->region, image->name));
        }
    }
    g_ptr_array_add(words, NULL);
    near = replNearest(word->name, (const char *const *)words->pdata);
    if (near)
        replError(VIR_ERR_NO_STORAGE_VOL, _("There is no image '%s'. Did you mean '%s'?"), name, near);
    else
        replError(VIR_ERR_NO_STORAGE_VOL, _("There is no image '%s'"), name);
}

const virtReplicationImage *
replResolve(const GPtrArray *regions, const char *name)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    ReplResolveWord whole = {NULL, name};
    ReplResolveWord word = replResolveSplit(regions, name);

    replResolveCollect(regions, &word, replResolveByName, found);
    if (found->len == 0 && strchr(name, '/'))
        replResolveCollect(regions, &whole, replResolveByPool, found);
    if (found->len == 0 && replResolveIsID(word.name))
        replResolveCollect(regions, &word, replResolveByID, found);
    if (found->len == 1)
        return g_ptr_array_index(found, 0);
    if (found->len > 1)
        replResolveSeveral(name, found);
    else
        replResolveNone(regions, name, &word);
    return NULL;
}
